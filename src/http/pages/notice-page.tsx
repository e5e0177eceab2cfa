// One sentence, what to do, and the way on.
import { type Frame, Layout } from './layout.tsx';

export function NoticePage({
  frame,
  title,
  message,
  hint,
  link,
  isFault,
}: {
  frame: Frame;
  title: string;
  message: string;
  hint?: string;
  link: { href: string; text: string };
  isFault?: boolean;
}) {
  return (
    <Layout {...frame} title={title}>
      <div class="card" role={isFault ? 'alert' : undefined}>
        <h1>{title}</h1>
        <p>{message}</p>
        {hint && <p class="soft">{hint}</p>}
        <p>
          <a href={link.href}>{link.text}</a>
        </p>
      </div>
    </Layout>
  );
}
