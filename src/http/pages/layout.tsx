// The frame of every page. Data in, markup out: no store, no ctx.
import type { ComponentChildren } from 'preact';
import type { User } from '../../host/options.ts';
import { Name, plain } from './name.tsx';
import { STYLE } from './style.ts';

export interface Frame {
  /** What people call the product. */
  name: string;
  user?: User;
  isOperator?: boolean;
  /** The path of this page: its place in the navigation. */
  path?: string;
  /** For the sign-out form; only where signing in is ours. */
  csrf?: string;
  canSignOut?: boolean;
}

const PLACES = [
  { path: '/account/authorizations', title: 'Access management' },
  { path: '/account/consumers', title: 'Consumers' },
  { path: '/operator/installations', title: 'Installations' },
];

export function Layout(
  props: Frame & { title: string; isWide?: boolean; children: ComponentChildren },
) {
  const { name, user, title, isWide, children } = props;
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <title>{`${plain(title)} · ${name}`}</title>
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
      </head>
      <body>
        <header class="top">
          <div class="inner">
            <strong>{name}</strong>
            {user && <Navigation {...props} />}
            {user && <Person {...props} user={user} />}
          </div>
        </header>
        <main class={isWide ? 'wide' : undefined}>{children}</main>
      </body>
    </html>
  );
}

function Navigation({ path = '', isOperator }: Frame) {
  const places = PLACES.filter((place) => isOperator || !place.path.startsWith('/operator/'));
  return (
    <nav aria-label="Main">
      {places.map((place) => (
        <a
          key={place.path}
          href={place.path}
          aria-current={path.startsWith(place.path) ? 'page' : undefined}
        >
          {place.title}
        </a>
      ))}
    </nav>
  );
}

function Person({ user, canSignOut, csrf }: Frame & { user: User }) {
  return (
    <div class="person">
      <span class="soft">
        <Name of={user.name ?? user.id} />
      </span>
      {canSignOut && (
        <form method="post" action="/signout">
          <input type="hidden" name="csrf" value={csrf} />
          <button class="small" type="submit">
            Sign out
          </button>
        </form>
      )}
    </div>
  );
}
