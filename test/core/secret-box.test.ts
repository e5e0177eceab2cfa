import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { MortiseError } from '../../src/core/errors.ts';
import { SecretBox } from '../../src/core/secret-box.ts';

const KEY = Buffer.alloc(32, 1).toString('base64');
const OTHER_KEY = Buffer.alloc(32, 2).toString('base64');
const ROW = 'installations/1/acknowledged';

function errorOf(action: () => unknown): MortiseError {
  try {
    action();
  } catch (error) {
    if (error instanceof MortiseError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a secret box', () => {
  const box = new SecretBox(KEY);

  for (const plain of ['s3cret', '', 'ключ 🔑', 'x'.repeat(10_000)]) {
    it(`opens what it sealed: ${plain.length} characters`, () => {
      expect(box.open(box.seal(plain, ROW), ROW)).to.equal(plain);
    });
  }

  it('never seals the same twice the same way', () => {
    expect(box.seal('s3cret', ROW)).not.to.equal(box.seal('s3cret', ROW));
  });

  it('shows neither the secret nor the key', () => {
    const sealed = box.seal('s3cret', ROW);
    expect(sealed).to.match(/^v1\.[0-9a-f]{8}\.[\w-]{16}\.[\w-]+$/);
    expect(sealed).not.to.contain('s3cret');
    expect(sealed).not.to.contain(Buffer.from('s3cret').toString('base64url'));
    expect(JSON.stringify(box)).to.equal('{}');
  });

  it('opens what an older key sealed, and seals with the newer', () => {
    const sealed = box.seal('s3cret', ROW);
    const both = new SecretBox(OTHER_KEY, [KEY]);
    expect(both.open(sealed, ROW)).to.equal('s3cret');
    expect(new SecretBox(OTHER_KEY).open(both.seal('s3cret', ROW), ROW)).to.equal('s3cret');
  });

  it('does not open what is bound to another row', () => {
    const error = errorOf(() => box.open(box.seal('s3cret', ROW), 'installations/2/acknowledged'));
    expect(error.code).to.equal('secret_unreadable');
    expect(error.message).to.match(/belongs to another row/);
  });

  it('does not open what a key it was not given has sealed, and names that key', () => {
    const sealed = new SecretBox(OTHER_KEY).seal('s3cret', ROW);
    const error = errorOf(() => box.open(sealed, ROW));
    expect(error.code).to.equal('secret_unreadable');
    expect(error.message).to.contain(sealed.split('.')[1]);
    expect(error.hint).to.match(/MORTISE_SECRET_KEY_PREVIOUS/);
  });

  it('does not open what was changed, at any place', () => {
    const sealed = box.seal('a secret of some length', ROW);
    const start = sealed.indexOf('.', 3) + 1;
    for (let i = start; i < sealed.length; i++) {
      if (sealed[i] === '.') continue;
      const changed = `${sealed.slice(0, i)}${sealed[i] === 'A' ? 'Q' : 'A'}${sealed.slice(i + 1)}`;
      if (Buffer.from(changed.split('.').at(-1)!, 'base64url').equals(body(sealed))) {
        if (changed.split('.')[2] === sealed.split('.')[2]) continue;
      }
      expect(errorOf(() => box.open(changed, ROW)).code, `at ${i}`).to.equal('secret_unreadable');
    }
  });

  const unreadable: [what: string, sealed: (sealed: string) => string][] = [
    ['nothing', () => ''],
    ['plain text', () => 's3cret'],
    ['a part of it', (sealed) => sealed.slice(0, -30)],
    ['no body', (sealed) => sealed.split('.').slice(0, 3).join('.')],
    [
      'a body shorter than its tag',
      (sealed) => sealed.split('.').slice(0, 3).concat('AAAA').join('.'),
    ],
    ['a short nonce', (sealed) => sealed.split('.').with(2, 'AA').join('.')],
    ['another version', (sealed) => sealed.replace('v1.', 'v2.')],
  ];
  for (const [what, change] of unreadable) {
    it(`does not open ${what}`, () => {
      const error = errorOf(() => box.open(change(box.seal('s3cret', ROW)), ROW));
      expect(error.code).to.equal('secret_unreadable');
      expect(error.message).not.to.contain('s3cret');
    });
  }

  it('does not take a shortened tag, which could be guessed', () => {
    const [version, key, nonce, tag] = box.seal('', ROW).split('.');
    const short = Buffer.from(tag!, 'base64url').subarray(0, 4).toString('base64url');
    const error = errorOf(() => box.open([version, key, nonce, short].join('.'), ROW));
    expect(error.code).to.equal('secret_unreadable');
  });

  it('says of what never was sealed that it was not, and of no key "undefined"', () => {
    const { message } = errorOf(() => box.open('s3cret', ROW));
    expect(message).not.to.contain('undefined');
    expect(message).to.match(/It is not a ciphertext\.$/);
  });

  it('says of another version that it is another version', () => {
    const sealed = box.seal('s3cret', ROW).replace('v1.', 'v2.');
    expect(errorOf(() => box.open(sealed, ROW)).message).to.match(/v2/);
  });

  const badKeys: [what: string, key: string][] = [
    ['empty', ''],
    ['31 bytes long', Buffer.alloc(31).toString('base64')],
    ['33 bytes long', Buffer.alloc(33).toString('base64')],
    ['a passphrase', 'correct horse battery staple'],
    ['hexadecimal', randomBytes(32).toString('hex')],
  ];
  for (const [what, key] of badKeys) {
    it(`is not made with a key that is ${what}`, () => {
      const error = errorOf(() => new SecretBox(key));
      expect(error.code).to.equal('secret_key_invalid');
      expect(error.message).to.match(/^MORTISE_SECRET_KEY must be 32 bytes in base64/);
      expect(error.hint).to.match(/randomBytes\(32\)/);
      if (key) expect(JSON.stringify(error) + error.message + error.hint).not.to.contain(key);
    });
  }

  it('names the option a bad older key stands in', () => {
    expect(errorOf(() => new SecretBox(KEY, ['short'])).message).to.match(
      /^MORTISE_SECRET_KEY_PREVIOUS must/,
    );
  });
});

function body(sealed: string): Buffer {
  return Buffer.from(sealed.split('.').at(-1)!, 'base64url');
}
