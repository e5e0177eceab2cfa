// mortise migrate sqlite:PATH postgres://…: the host goes on on PostgreSQL, with all it has.
import type { Command } from 'commander';
import { MortiseError } from '../../core/errors.ts';
import { copyStore } from '../../store/copy-store.ts';
import { isPostgresUrl, openCopySource, openCopyTarget } from '../../store/open-store.ts';
import { print } from '../operator-client.ts';
import { table } from '../table.ts';

interface MigrateOptions {
  json?: boolean;
}

export function addMigrateCommand(program: Command): void {
  program
    .command('migrate <from> <to>')
    .description('copy an SQLite database into an empty PostgreSQL one, with the host stopped')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
It may be stopped and run again: it goes on where it was. At the end all rows are compared.

  mortise migrate sqlite:./mortise.db postgres://mortise:secret@localhost:5432/mortise`,
    )
    .action(migrate);
}

async function migrate(from: string, to: string, options: MigrateOptions): Promise<void> {
  const path = from.replace(/^sqlite:/, '');
  // Neither is repeated: where its password is, nobody can say of an address that is none.
  if (path === '' || isPostgresUrl(from) || /^[a-z+]+:\/\//i.test(path)) {
    throw invalid('What is copied from is no SQLite file.');
  }
  if (!isPostgresUrl(to) || !URL.canParse(to)) {
    throw invalid('What is copied into is no address of a PostgreSQL database.');
  }
  const source = openCopySource(path);
  const target = openCopyTarget(to);
  try {
    const counts = await copyStore(source, target, {
      copied: (part, rows) => say(`${part}: ${rows} rows copied`),
      verified: ({ table, rows }) => say(`${table}: ${rows} rows, the same on both sides`),
    });
    print(options, { tables: counts }, [
      ...table(
        ['TABLE', 'ROWS'],
        counts.filter(({ rows }) => rows > 0).map((one) => [one.table, String(one.rows)]),
      ),
      'Everything is copied, and was compared. Start the host with MORTISE_DATABASE_URL set to the new address;',
      `${path} is as it was, and must not be used any more.`,
    ]);
  } finally {
    source.close();
    await target.close();
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function invalid(message: string): MortiseError {
  return new MortiseError({
    code: 'option_invalid',
    status: 400,
    message,
    hint: 'Write it like: mortise migrate sqlite:./mortise.db postgres://user:password@host:5432/database',
  });
}
