import { Button, IconButton, LinkButton } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { KeyHint } from "@signalbox/ui/key-hint";
import { SegmentedControl, ToggleGroup } from "@signalbox/ui/segmented-control";
import { Toolbar, ToolbarButton, ToolbarGap } from "@signalbox/ui/toolbar";
import { Check, Columns2, Pencil, Rows2, SkipBack, SkipForward, Trash2, WrapText } from "lucide-react";
import { useState } from "react";
import { Specimen, Specimens } from "./specimen.tsx";

export function Actions() {
  const [view, setView] = useState("unified");
  const [kinds, setKinds] = useState(["tools"]);
  const [wrap, setWrap] = useState(true);
  return (
    <Specimens>
      <Specimen name="Looks">
        <div className="flex flex-wrap gap-2">
          <Button>Plain</Button>
          <Button look="solid">Solid</Button>
          <Button look="quiet">Quiet</Button>
          <Button look="approve">
            <Check size={16} aria-hidden /> Approve <KeyHint keys="a" />
          </Button>
          <Button look="danger">Deny</Button>
          <Button look="alarm">Stop everything</Button>
        </div>
      </Specimen>
      <Specimen name="Sizes">
        <div className="flex flex-wrap items-center gap-2">
          <Button size="sm">Small</Button>
          <Button>Middle</Button>
          <Button size="lg">Large</Button>
        </div>
      </Specimen>
      <Specimen name="Disabled and busy">
        <div className="flex flex-wrap gap-2">
          <Button disabled>Disabled</Button>
          <Button look="solid" busy>
            Sending
          </Button>
          <Button look="approve" busy>
            Approve
          </Button>
        </div>
      </Specimen>
      <Specimen name="Icons, links, copy">
        <div className="flex flex-wrap items-center gap-2">
          <IconButton label="Rename">
            <Pencil size={16} />
          </IconButton>
          <IconButton label="Delete" look="danger" size="icon">
            <Trash2 size={16} />
          </IconButton>
          <LinkButton href="#actions">A link</LinkButton>
          <CopyButton text="signalbox" label="Copy signalbox" />
        </div>
      </Specimen>
      <Specimen name="Segmented control">
        <SegmentedControl
          label="Diff"
          value={view}
          onChange={setView}
          segments={[
            { value: "unified", label: "Unified", icon: <Rows2 size={14} aria-hidden /> },
            { value: "split", label: "Split", icon: <Columns2 size={14} aria-hidden /> },
          ]}
        />
      </Specimen>
      <Specimen name="Toggle group">
        <ToggleGroup
          label="Kinds"
          values={kinds}
          onChange={setKinds}
          segments={[
            { value: "tools", label: "Tool calls" },
            { value: "approvals", label: "Approvals" },
            { value: "money", label: "Money" },
          ]}
        />
      </Specimen>
      <Specimen name="Toolbar">
        <Toolbar label="Playback">
          <ToolbarButton label="Back" icon={<SkipBack size={16} />} onClick={() => undefined} />
          <ToolbarButton label="On" icon={<SkipForward size={16} />} disabled onClick={() => undefined} />
          <ToolbarGap />
          <ToolbarButton label="Wrap lines" showLabel pressed={wrap} icon={<WrapText size={16} />} onClick={() => setWrap(!wrap)} />
        </Toolbar>
      </Specimen>
      <Specimen name="Keys">
        <div className="flex flex-wrap gap-4">
          <KeyHint keys="a" />
          <KeyHint keys="g s" />
          <KeyHint keys="Mod+K" />
          <KeyHint keys="ArrowDown" />
        </div>
      </Specimen>
    </Specimens>
  );
}
