// What the sample answers to: PORT, MORTISE_DATA, MORTISE_DATABASE_URL, MORTISE_OPERATOR_TOKEN, MORTISE_SECRET_KEY.
import type { CodeHostOptions } from './start.ts';

export const DEFAULT_PORT = 8470;

export function optionsFromEnvironment(defaults: {
  dataFolder: string;
  port: number;
}): CodeHostOptions {
  const { PORT, MORTISE_DATA, MORTISE_DATABASE_URL, MORTISE_OPERATOR_TOKEN, MORTISE_SECRET_KEY } =
    process.env;
  return {
    port: PORT ? Number(PORT) : defaults.port,
    dataFolder: MORTISE_DATA || defaults.dataFolder,
    database: MORTISE_DATABASE_URL || undefined,
    operatorToken: MORTISE_OPERATOR_TOKEN || undefined,
    secretKey: MORTISE_SECRET_KEY || undefined,
  };
}
