/** Why a call must not be believed. Answer it with `status`. */
export class AddonError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 401) {
    super(message);
    this.name = 'AddonError';
    this.code = code;
    this.status = status;
  }
}
