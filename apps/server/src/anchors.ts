/* Which anchors the configuration names. */
import type { AnchorName } from "@signalbox/contract/anchors";
import { blobAnchor } from "@signalbox/providers/anchor/blob/blob";
import { fileAnchor } from "@signalbox/providers/anchor/file/file";
import { gitAnchor } from "@signalbox/providers/anchor/git/git";
import { isSsh } from "@signalbox/providers/anchor/git/ssh";
import type { Anchor } from "@signalbox/providers/anchor/port";
import { webhookAnchor } from "@signalbox/providers/anchor/webhook/webhook";
import type { Blobs } from "@signalbox/providers/blob/port";
import { lookup } from "node:dns";
import path from "node:path";
import type { Config } from "./config/settings.ts";

export function anchorsOf(config: Config, blobs: Blobs, credentialsFile: string): Map<AnchorName, Anchor> {
  const anchors = new Map<AnchorName, Anchor>();
  if (config.anchorFile !== undefined) anchors.set("file", fileAnchor(path.resolve(config.anchorFile)));
  if (config.anchorBlobs)
    anchors.set("blob", blobAnchor(blobs, config.blobs === "s3" ? `bucket ${config.s3Bucket}` : "blobs/ of the server"));
  if (config.anchorGit !== undefined)
    // config.ts refuses ssh without both files
    anchors.set(
      "git",
      gitAnchor({
        remote: config.anchorGit,
        branch: config.anchorGitBranch,
        directory: path.join(config.dataDir, "cache", `anchor-git-${config.role}`),
        credentialsFile,
        ssh: isSsh(config.anchorGit)
          ? { keyFile: path.resolve(config.anchorGitSshKey!), knownHostsFile: path.resolve(config.anchorGitKnownHosts!) }
          : undefined,
      }),
    );
  // The operator names the address, so it may be inside.
  if (config.anchorWebhook !== undefined)
    anchors.set("webhook", webhookAnchor({ url: config.anchorWebhook, secret: config.anchorWebhookSecret!, lookup, now: Date.now }));
  return anchors;
}
