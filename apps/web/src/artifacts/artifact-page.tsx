/* One artifact, shown as what it is: a picture, a test report, a patch, JSON, text; or at least handed over. */
import type { TestReport } from "@signalbox/contract/evidence";
import { getArtifactContent, getArtifactReport } from "@signalbox/contract/evidence";
import { getArtifact } from "@signalbox/contract/runs";
import type { ArtifactId } from "@signalbox/contract/primitives";
import type { Output } from "@signalbox/contract/route";
import { buttonLook } from "@signalbox/ui/button";
import { AnsiText } from "@signalbox/ui/ansi-text";
import { CopyButton } from "@signalbox/ui/copy-button";
import { bytes } from "@signalbox/ui/format";
import { JsonView } from "@signalbox/ui/json-view";
import { Markdown } from "@signalbox/ui/markdown";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { SegmentedControl } from "@signalbox/ui/segmented-control";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { Download, ExternalLink, FileQuestion } from "lucide-react";
import { client, isRefusal } from "../data/api.ts";
import { Missing } from "../frame/crash.tsx";
import { Page } from "../frame/page.tsx";
import { NumberedText } from "./numbered-text.tsx";
import { Picture } from "./picture.tsx";
import { ReportView } from "./report-view.tsx";
import { languageOf, viewsOf, type ArtifactView as ViewName } from "./artifact-views.ts";

type Artifact = Output<typeof getArtifact>;
const route = getRouteApi("/frame/artifacts/$artifactId");

const artifactQuery = (id: ArtifactId) =>
  queryOptions({
    queryKey: ["artifact", id],
    queryFn: ({ signal }) => client.call(getArtifact, { params: { id }, signal }),
    staleTime: Infinity,
  });
/** Null: it is no test report, which is no failure. */
const reportQuery = (id: ArtifactId) =>
  queryOptions({
    queryKey: ["artifact", id, "report"],
    queryFn: async ({ signal }): Promise<TestReport | null> => {
      try {
        return await client.call(getArtifactReport, { params: { id }, signal });
      } catch (error) {
        if (isRefusal(error, "not_a_test_report")) return null;
        throw error;
      }
    },
    staleTime: Infinity,
  });

const contentPath = (id: ArtifactId): string => getArtifactContent.path.replace(":id", id);
const VIEW_LABEL: Record<ViewName, string> = {
  image: "Picture",
  report: "Test report",
  patch: "Patch",
  json: "JSON",
  markdown: "Formatted",
  text: "Text",
};

export function ArtifactPage() {
  const { artifactId } = route.useParams();
  const { view, line } = route.useSearch();
  const navigate = useNavigate();
  const { data: artifact, error, refetch } = useQuery(artifactQuery(artifactId));
  const mayBeReport = artifact !== undefined && /xml|json/.test(artifact.media_type);
  const report = useQuery({ ...reportQuery(artifactId), enabled: mayBeReport });
  if (error !== null && artifact === undefined)
    return isRefusal(error, "artifact_not_found") ? <Missing /> : <Trouble error={error} onRetry={() => void refetch()} className="m-6" />;
  if (artifact === undefined || (mayBeReport && report.isPending))
    return (
      <Page title="Artifact">
        <Skeleton rows={4} className="h-16" />
      </Page>
    );
  const views = viewsOf(artifact, report.data != null);
  // A line can only be shown where there are lines.
  const shown =
    views.find((name) => name === view) ??
    (line === undefined ? undefined : views.find((name) => name === "patch" || name === "text")) ??
    views[0];
  return (
    <Page
      title={artifact.name}
      lead={<Facts artifact={artifact} />}
      actions={
        <span className="flex items-center gap-2">
          {artifact.text !== null && <CopyButton text={artifact.text} label="Copy the content" />}
          {artifact.kind !== "uri" && (
            <a href={contentPath(artifact.id)} download={artifact.name} className={buttonLook()}>
              <Download size={16} aria-hidden /> Download
            </a>
          )}
        </span>
      }
    >
      {views.length > 1 && shown !== undefined && (
        <div className="mb-4">
          <SegmentedControl
            label="Shown as"
            segments={views.map((name) => ({ value: name, label: VIEW_LABEL[name] }))}
            value={shown}
            onChange={(next) =>
              void navigate({ to: ".", search: (previous) => ({ ...previous, view: next, line: undefined }), replace: true })
            }
          />
        </div>
      )}
      <Content artifact={artifact} view={shown} line={line} report={report.data ?? null} />
    </Page>
  );
}

function Facts({ artifact }: { artifact: Artifact }) {
  return (
    <span className="flex flex-wrap items-center gap-x-4 gap-y-1 text-sm">
      <span className="font-mono">{artifact.media_type}</span>
      <span className="tabular-nums">{bytes(artifact.size_bytes)}</span>
      <Timestamp at={artifact.created_at} />
      {artifact.run_id !== null && (
        <Link to="/runs/$runId" params={{ runId: artifact.run_id }} search={{ tab: "artifacts" }} className="underline underline-offset-2">
          the run
        </Link>
      )}
      {artifact.sha256 !== null && (
        <span className="flex items-center font-mono text-plate text-ink-3" title={artifact.sha256}>
          {artifact.sha256.slice(0, 23)}…
          <CopyButton text={artifact.sha256} label="Copy the sha256" />
        </span>
      )}
    </span>
  );
}

function Content({
  artifact,
  view,
  line,
  report,
}: {
  artifact: Artifact;
  view: ViewName | undefined;
  line: number | undefined;
  report: TestReport | null;
}) {
  if (artifact.kind === "uri" && artifact.uri !== null) {
    const isWeb = /^https?:/i.test(artifact.uri);
    return (
      <Empty icon={<ExternalLink size={32} />} title="It lies elsewhere">
        {isWeb ? (
          <a href={artifact.uri} target="_blank" rel="noreferrer noopener nofollow" className="break-all underline underline-offset-2">
            {artifact.uri}
          </a>
        ) : (
          <span className="font-mono break-all">{artifact.uri}</span>
        )}
      </Empty>
    );
  }
  const text = artifact.text ?? "";
  switch (view) {
    case "image":
      return <Picture src={contentPath(artifact.id)} name={artifact.name} />;
    case "report":
      return report === null ? null : <ReportView report={report} />;
    case "json":
      return <Json text={text} line={line} label={artifact.name} />;
    case "markdown":
      return (
        <div className="rounded-lg border border-line bg-panel px-5 py-4">
          <Markdown text={text} />
        </div>
      );
    case "patch":
      return <NumberedText text={text} language="diff" line={line} label={artifact.name} />;
    case "text":
      // eslint-disable-next-line no-control-regex -- that is what is looked for
      return /\u001b\[/.test(text) ? (
        <AnsiText text={text} label={artifact.name} />
      ) : (
        <NumberedText text={text} language={languageOf(artifact.name)} line={line} label={artifact.name} />
      );
    case undefined:
      return (
        <Empty icon={<FileQuestion size={32} />} title="It cannot be shown here">
          A {artifact.media_type} file of {bytes(artifact.size_bytes)}. Download it to look inside.
        </Empty>
      );
  }
}

function Json({ text, line, label }: { text: string; line: number | undefined; label: string }) {
  const parsed = parse(text);
  return parsed === null ? (
    <NumberedText text={text} language={undefined} line={line} label={label} />
  ) : (
    <JsonView label="The content" value={parsed.value} defaultDepth={2} />
  );
}

function parse(text: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return null; // It says that it is JSON, and is not: then as it stands.
  }
}
