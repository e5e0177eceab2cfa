// The webhooks of a workspace are those of the add-ons in it, so Mortise's operator API knows them.

export interface InstalledHook {
  id: string;
  event: string;
  url: string;
  addonKey: string;
}

export type InstalledHooks = (workspace: string) => Promise<InstalledHook[]>;

interface Installation {
  addonKey: string;
  context: string;
  webhooks: Omit<InstalledHook, 'addonKey'>[];
}

export function installedHooks(url: string, operatorToken: string): InstalledHooks {
  return async (workspace) => {
    const found: InstalledHook[] = [];
    let after: string | null = null;
    do {
      const page = new URL('/operator/v1/installations?state=enabled', url);
      if (after !== null) page.searchParams.set('after', after);
      const response = await fetch(page, { headers: { authorization: `Bearer ${operatorToken}` } });
      if (!response.ok) throw new Error(`${page} answered ${response.status}`);
      const { items, next } = (await response.json()) as {
        items: Installation[];
        next: string | null;
      };
      for (const { addonKey, context, webhooks } of items)
        if (context === workspace) found.push(...webhooks.map((hook) => ({ ...hook, addonKey })));
      after = next;
    } while (after !== null);
    return found;
  };
}
