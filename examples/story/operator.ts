// The story's operator: calls the operator API as anybody would.

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
export type Json = any;

export type Operator = (
  method: string,
  path: string,
  body?: unknown,
) => Promise<{ status: number; json: Json }>;

export function operatorOf(url: string, token: string): Operator {
  return async (method, path, body) => {
    const response = await fetch(`${url}/operator/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, json: text === '' ? undefined : JSON.parse(text) };
  };
}

/** What was answered, or a failure that shows it. */
export function expectStatus(answer: { status: number; json: Json }, status: number): Json {
  if (answer.status === status) return answer.json;
  throw new Error(
    `the host answered ${answer.status}, not ${status}: ${answer.json?.detail ?? JSON.stringify(answer.json)}`,
  );
}
