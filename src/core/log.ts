// Logs: one JSON line each (pino), with everything that could be a secret blacked out.
import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

const SECRET_PATHS = [
  'authorization',
  'headers.authorization',
  'sharedSecret',
  'webhookSecret',
  'oauthClientSecret',
  'clientSecret',
  'token',
  'secretKey',
  'operatorToken',
];

export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    redact: { paths: [...SECRET_PATHS, ...SECRET_PATHS.map((path) => `*.${path}`)], censor: '…' },
  };
  return destination ? pino(options, destination) : pino(options);
}
