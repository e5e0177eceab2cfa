// The command line: names the commands, turns errors into sentences and exit codes.
import { Command, CommanderError } from 'commander';
import { describeFault, MortiseError } from '../core/errors.ts';
import { addConsumersCommand, addGrantsCommand } from './commands/consumers.ts';
import { addDeliveriesCommand } from './commands/deliveries.ts';
import { addEventsCommand } from './commands/events.ts';
import { addInstallCommand } from './commands/install.ts';
import { addInstallationsCommand } from './commands/installations.ts';
import { addMigrateCommand } from './commands/migrate.ts';
import { addReplayCommand } from './commands/replay.ts';
import { addServeCommand } from './commands/serve.ts';
import { addValidateCommand } from './commands/validate.ts';

const program = new Command('mortise')
  .description('The host side of an add-on ecosystem.')
  .showHelpAfterError('(mortise --help shows the commands)')
  .exitOverride();

addServeCommand(program);
addValidateCommand(program);
addInstallCommand(program);
addInstallationsCommand(program);
addEventsCommand(program);
addDeliveriesCommand(program);
addReplayCommand(program);
addConsumersCommand(program);
addGrantsCommand(program);
addMigrateCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** 1: what was asked for cannot be done. 2: the command itself is wrong. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (!(error instanceof MortiseError)) {
    process.stderr.write(
      `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return 1;
  }
  if (process.argv.includes('--json')) {
    const { code, message, hint, faults, extensions } = error;
    process.stdout.write(
      `${JSON.stringify({ error: { code, message, hint, errors: faults, ...extensions } }, null, 2)}\n`,
    );
    return 1;
  }
  process.stderr.write(`mortise: ${error.message}\n`);
  for (const fault of error.faults ?? []) process.stderr.write(`  ${describeFault(fault)}\n`);
  if (error.hint) process.stderr.write(`  ${error.hint}\n`);
  return 1;
}
