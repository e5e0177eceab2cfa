// What is said of an option that is missing, or cannot be used.
import { MortiseError } from '../../core/errors.ts';

export function missing(option: string, what: string, hint: string): MortiseError {
  return new MortiseError({
    code: 'option_missing',
    status: 500,
    message: `The option "${option}" is missing: ${what}.`,
    hint,
  });
}

export function invalid(option: string, message: string, hint: string): MortiseError {
  return new MortiseError({
    code: 'option_invalid',
    status: 500,
    message: `The option "${option}" cannot be used. ${message}`,
    hint,
  });
}
