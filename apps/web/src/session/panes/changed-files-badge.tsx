import type { SessionView } from "@signalbox/contract/sessions";
import { useQuery } from "@tanstack/react-query";
import { diffQuery } from "../../data/queries.ts";

export function ChangedFilesBadge({ session }: { session: SessionView }) {
  const { data: diff } = useQuery(diffQuery(session));
  const files = diff?.files.length ?? session.files_changed.length;
  return files === 0 ? null : files;
}
