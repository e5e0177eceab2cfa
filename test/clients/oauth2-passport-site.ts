// A web site on which people sign in with passport-bitbucket-oauth2: express, express-session, passport, unmodified.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import express from 'express';

// None of the three has types.
const require = createRequire(import.meta.url);
const session = require('express-session');
const { Passport } = require('passport');
const BitbucketStrategy = require('passport-bitbucket-oauth2').Strategy;

export interface PassportSite {
  url: string;
  callbackURL: string;
  /** The consumer that was registered for it. */
  use(clientID: string, clientSecret: string): void;
  stop(): Promise<void>;
}

export async function passportSite(addresses: {
  authorizationURL: string;
  tokenURL: string;
  userProfileURL: string;
}): Promise<PassportSite> {
  const app = express();
  app.set('env', 'test');
  const server = createServer(app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const callbackURL = `${url}/auth/callback`;

  const passport = new Passport();
  passport.serializeUser((user: unknown, done: (e: null, u: unknown) => void) => done(null, user));
  passport.deserializeUser((user: unknown, done: (e: null, u: unknown) => void) =>
    done(null, user),
  );
  app.use(session({ secret: 'of the tests', resave: false, saveUninitialized: false }));
  app.use(passport.initialize());
  app.use(passport.session());
  app.get('/auth', passport.authenticate('bitbucket'));
  app.get(
    '/auth/callback',
    passport.authenticate('bitbucket', { successRedirect: '/me', failureRedirect: '/failed' }),
  );
  app.get('/me', (request, response) => {
    response.json((request as { user?: unknown }).user);
  });

  return {
    url,
    callbackURL,
    use(clientID, clientSecret) {
      passport.use(
        new BitbucketStrategy(
          { ...addresses, clientID, clientSecret, callbackURL, state: true },
          (
            _accessToken: string,
            refreshToken: string,
            { id, username, displayName, profileUrl }: Record<string, string>,
            done: (error: null, user: object) => void,
          ) => done(null, { id, username, displayName, profileUrl, refreshToken }),
        ),
      );
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
