// Requests with a content-length on one connection, out of whatever pieces they arrive in.

const END_OF_HEAD = '\r\n\r\n';
const LENGTH_HEADER = /\r\ncontent-length: *(\d+)/i;

export class RequestParser {
  readonly #onRequest: (head: string, body: Buffer) => void;
  #rest: Buffer | undefined;

  /** @param onRequest gets everything up to the empty line, and the body. */
  constructor(onRequest: (head: string, body: Buffer) => void) {
    this.#onRequest = onRequest;
  }

  push(chunk: Buffer): void {
    let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (bytes.length > 0) {
      const headEnd = bytes.indexOf(END_OF_HEAD);
      if (headEnd < 0) break;
      const head = bytes.toString('latin1', 0, headEnd);
      const bodyStart = headEnd + END_OF_HEAD.length;
      const end = bodyStart + Number(LENGTH_HEADER.exec(head)?.[1] ?? 0);
      if (bytes.length < end) break;
      this.#onRequest(head, bytes.subarray(bodyStart, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes.length > 0 ? bytes : undefined;
  }
}
