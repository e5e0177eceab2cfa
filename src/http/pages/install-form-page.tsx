// Where an install begins: a descriptor's address and the place; with what was wrong with them, if they came back.
import type { Fault } from '../../core/errors.ts';
import { type Frame, Layout } from './layout.tsx';
import { type Problem, Refusal } from './notice.tsx';
import { SourceFaults } from './source-faults.tsx';

export interface InstallInput {
  descriptorUrl: string;
  context: string;
}

export interface InstallFormView {
  frame: Frame;
  csrf: string;
  input: InstallInput;
  /** What kinds of contexts there are, as words; empty where the platform is one place. */
  contextKinds: string[];
  /** Suggested; any other can be typed. */
  contexts: { id: string; name: string }[];
  problem?: Problem;
  faults?: Fault[];
  text?: string;
}

export function InstallFormPage(view: InstallFormView) {
  const { frame, csrf, input, contextKinds, contexts, problem, faults, text } = view;
  return (
    <Layout {...frame} title="Install an add-on" isWide>
      <h1>Install an add-on</h1>
      <p class="soft">
        Nothing is installed yet: first its descriptor is read, and you see what it asks for.
      </p>
      <form class="card" method="post" action="/operator/installations/new">
        <Refusal problem={problem} />
        <input type="hidden" name="csrf" value={csrf} />
        <label class="field">
          <span>Descriptor address</span>
          <input
            type="text"
            name="descriptorUrl"
            value={input.descriptorUrl}
            required
            inputMode="url"
            autocapitalize="none"
            spellcheck={false}
            placeholder="https://addon.example/descriptor.json"
          />
          <small>Where the add-on publishes its descriptor, a JSON document.</small>
        </label>
        {contextKinds.length > 0 && (
          <label class="field">
            <span>{contextKinds.join(' or ')}</span>
            <input
              type="text"
              name="context"
              value={input.context}
              required
              maxLength={512}
              list="contexts"
              autocapitalize="none"
              spellcheck={false}
            />
            <small>Where it is installed, by the product’s own name.</small>
          </label>
        )}
        {contexts.length > 0 && (
          <datalist id="contexts">
            {contexts.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </datalist>
        )}
        <div class="row end">
          <a class="button" href="/operator/installations">
            Cancel
          </a>
          <button class="main" type="submit">
            Read the descriptor
          </button>
        </div>
      </form>
      {faults && faults.length > 0 && (
        <section class="card">
          <h2>What is wrong with the descriptor</h2>
          <SourceFaults faults={faults} text={text} />
        </section>
      )}
    </Layout>
  );
}
