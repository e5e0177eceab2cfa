// What a consumer is registered with, and what can be changed of it.
import type { ScopeGroup } from '../../host/scope-view.ts';
import { ScopeChoice } from './scope-choice.tsx';

/** As typed: shown again when it cannot be used. */
export interface ConsumerInput {
  name: string;
  /** One a line. */
  redirectUris: string;
  /** '' = none. */
  eventsUri: string;
  scopes: string[];
  /** Of a grandfathered consumer: everything, as before. */
  keepsAll?: boolean;
}

export function ConsumerFields({
  input,
  groups,
  isGrandfathered,
}: {
  input: ConsumerInput;
  groups: ScopeGroup[];
  isGrandfathered?: boolean;
}) {
  return (
    <>
      <label class="field">
        <span>Name</span>
        <input type="text" name="name" value={input.name} required maxLength={100} />
        <small>People see it when they are asked.</small>
      </label>
      <label class="field">
        <span>Redirect URIs</span>
        <textarea name="redirectUris" rows={3} spellcheck={false}>
          {input.redirectUris}
        </textarea>
        <small>
          One a line, exactly as the application sends it. https, or http on this machine’s
          loopback. None if it uses no browser.
        </small>
      </label>
      <label class="field">
        <span>Security events URL</span>
        <input
          type="url"
          name="eventsUri"
          value={input.eventsUri}
          maxLength={2048}
          spellcheck={false}
        />
        <small>
          Optional. A signed token (RFC 8417) is posted here when somebody takes back what they
          granted.
        </small>
      </label>
      <h2>What it may ask for</h2>
      {isGrandfathered && (
        <label class="choice note bad">
          <input type="checkbox" name="keepsAll" value="on" checked={input.keepsAll} />
          <span>
            Everything, as before scopes existed. Untick this, and it may ask for no more than is
            ticked below.
          </span>
        </label>
      )}
      <ScopeChoice groups={groups} chosen={input.scopes} />
    </>
  );
}
