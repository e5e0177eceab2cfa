import { expect } from 'chai';
import { shownUrl } from '../../src/core/shown-url.ts';

describe('an address as it is shown', () => {
  const rows: [text: string, shown: string][] = [
    ['https://addon.example', 'https://addon.example'],
    ['https://addon.example/@user/descriptor.json', 'https://addon.example/@user/descriptor.json'],
    ['/hook', '/hook'],
    ['', ''],
    ['https://user:p4ssw0rd@addon.example/x?y=1', 'https://addon.example/x?y=1'],
    ['https://p4ssw0rd@addon.example/', 'https://addon.example/'],
    ['https://user:x@p4ssw0rd@addon.example/', 'https://addon.example/'],
    ['https:/user:p4ssw0rd@addon.example/', 'https://addon.example/'],
    ['https://user:p4ssw0rd@addon.example:port/', 'https://…@addon.example:port/'],
    ['https://user:x@p4ssw0rd@addon example/', 'https://…@addon example/'],
    ['https://user:p4ss\nw0rd@', 'https://…@'],
    ['https://user:p4ss/w0rd@addon.example', 'https://…@addon.example'],
    ['//user:p4ssw0rd@addon.example', '//…@addon.example'],
    ['user:p4ssw0rd@addon.example', 'user:…@addon.example'],
    ['a user:p4ss:w0rd@addon.example', 'a user:…@addon.example'],
  ];
  for (const [text, shown] of rows) {
    it(`is ${shown || 'empty'}: ${JSON.stringify(text)}`, () => {
      expect(shownUrl(text)).to.equal(shown);
    });
  }
});
