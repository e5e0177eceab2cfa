// The place the tests' product tells of: one workspace of alice's, with two repositories.
import type { Directory } from '../../src/host/options.ts';

export const directory: Directory = {
  contexts: ({ id }) =>
    id === 'bob'
      ? []
      : [
          { id: 'acme', name: 'Acme' },
          { id: 'alice', name: 'Alice’s own' },
        ],
  resources: (context, kind) =>
    kind === 'repository' && context === 'acme'
      ? [
          { id: 'acme/site', name: 'acme/site' },
          { id: 'acme/secret', name: 'acme/secret' },
        ]
      : [],
};

/** Of the signed-in people, only alice is an operator. */
export const isOperator = ({ id }: { id: string }) => id === 'alice';
