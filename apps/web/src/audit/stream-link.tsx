import { isId } from "@signalbox/contract/ids";
import type { SessionId } from "@signalbox/contract/primitives";
import { Link } from "@tanstack/react-router";

const look = "underline decoration-line-strong underline-offset-2 hover:decoration-ink";

/** By its name to the session or the room that a stream is of; a room that is no more is only named. */
export function StreamLink({
  of,
}: {
  of: { readonly stream: string; readonly title: string | null; readonly session_id: SessionId | null };
}) {
  const roomId = of.stream.slice(of.stream.indexOf(":") + 1);
  if (of.title === null || !isId("room", roomId)) return <span className="font-mono text-sm break-all">{of.stream}</span>;
  if (of.session_id === null)
    return (
      <Link to="/rooms/$roomId" params={{ roomId }} className={look}>
        {of.title}
      </Link>
    );
  return (
    <Link to="/sessions/$sessionId" params={{ sessionId: of.session_id }} className={look}>
      {of.title}
    </Link>
  );
}
