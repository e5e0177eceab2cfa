import { expect } from 'chai';
import { RequestParser } from '../../bench/delivery/request-parser.ts';

const POST = 'POST /a HTTP/1.1\r\nwebhook-id: 1\r\nContent-Length: 5\r\n\r\nhello';
const GET = 'GET /b HTTP/1.1\r\nhost: x\r\n\r\n';

function parse(chunks: Buffer[]): [string, string][] {
  const seen: [string, string][] = [];
  const parser = new RequestParser((head, body) => seen.push([head, body.toString()]));
  for (const chunk of chunks) parser.push(chunk);
  return seen;
}

describe("the parser of the benchmarks' receiver", () => {
  const expected = [
    ['POST /a HTTP/1.1\r\nwebhook-id: 1\r\nContent-Length: 5', 'hello'],
    ['GET /b HTTP/1.1\r\nhost: x', ''],
    ['POST /a HTTP/1.1\r\nwebhook-id: 1\r\nContent-Length: 5', 'hello'],
  ];

  it('finds several requests in one piece', () => {
    expect(parse([Buffer.from(POST + GET + POST)])).to.deep.equal(expected);
  });

  it('finds them in pieces of any size', () => {
    const bytes = Buffer.from(POST + GET + POST);
    for (const size of [1, 7, 40]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      expect(parse(chunks), `in pieces of ${size}`).to.deep.equal(expected);
    }
  });
});
