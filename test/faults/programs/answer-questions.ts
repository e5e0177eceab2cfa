// How the programs of the fault tests are told what to do.

/** For the programs: answers what the parent asks. A program whose parent has gone ends. */
export function answerQuestions(
  answer: (question: Record<string, unknown>) => unknown | Promise<unknown>,
): void {
  process.on('message', (question: { id: number } & Record<string, unknown>) => {
    void Promise.resolve()
      .then(() => answer(question))
      .then(
        (value) => process.send!({ to: question.id, value }),
        (error: Error) => process.send!({ to: question.id, error: error.message }),
      );
  });
  process.on('disconnect', () => process.exit(0));
}
