import { Checkbox } from "@signalbox/ui/checkbox";
import { Combobox } from "@signalbox/ui/combobox";
import { Field, Input, Textarea } from "@signalbox/ui/field";
import { RadioGroup } from "@signalbox/ui/radio-group";
import { SearchInput } from "@signalbox/ui/search-input";
import { Select } from "@signalbox/ui/select";
import { Switch } from "@signalbox/ui/switch";
import { useState } from "react";
import { HOSTILE, Specimen, Specimens } from "./specimen.tsx";

const REPOSITORIES = Array.from({ length: 60 }, (_, i) => ({
  value: `/home/ada/project-${i}`,
  label: `project-${i}`,
  detail: `/home/ada/project-${i}`,
}));

export function Inputs() {
  const [repository, setRepository] = useState("/home/ada/project-3");
  const [model, setModel] = useState("demo");
  const [effort, setEffort] = useState("usual");
  const [some, setSome] = useState<boolean | "indeterminate">("indeterminate");
  const [on, setOn] = useState(true);
  const [q, setQ] = useState("");
  return (
    <Specimens>
      <Specimen name="Field, hint, error, disabled">
        <div className="space-y-4">
          <Field label="Title" hint="Others see it.">
            {(props) => <Input {...props} defaultValue="Fix the totals" />}
          </Field>
          <Field label="Repository" error="There is no repository at /nowhere.">
            {(props) => <Input {...props} defaultValue="/nowhere" />}
          </Field>
          <Field label="Branch">{(props) => <Input {...props} disabled defaultValue="main" />}</Field>
        </div>
      </Specimen>
      <Specimen name="Several lines; hostile text">
        <Field label="Task" hint="Ctrl Enter sends it.">
          {(props) => <Textarea {...props} defaultValue={HOSTILE} />}
        </Field>
      </Specimen>
      <Specimen name="Select">
        <Field label="Model">
          {(props) => (
            <Select
              {...props}
              value={model}
              onChange={setModel}
              options={[
                { value: "demo", label: "Demo (scripted)" },
                { value: "large", label: "A large model" },
                { value: "gone", label: "Not configured", disabled: true },
              ]}
            />
          )}
        </Field>
      </Specimen>
      <Specimen name="Combobox, many options">
        <Field label="Repository">
          {(props) => <Combobox {...props} aria-label="Repository" options={REPOSITORIES} value={repository} onChange={setRepository} />}
        </Field>
      </Specimen>
      <Specimen name="Checkbox">
        <Checkbox label="Every file" hint="3 of 12 chosen" checked={some} onChange={setSome} />
        <Checkbox label="Chosen" checked onChange={() => undefined} />
        <Checkbox label="Cannot be changed" checked={false} disabled onChange={() => undefined} />
      </Specimen>
      <Specimen name="Switch">
        <Switch
          label="Notes on this device"
          hint="When something waits for you and the page is not in front."
          checked={on}
          onChange={setOn}
        />
        <Switch label="Cannot be changed" checked={false} disabled onChange={() => undefined} />
      </Specimen>
      <Specimen name="Radio group">
        <RadioGroup
          legend="Network"
          value={effort}
          onChange={setEffort}
          choices={[
            { value: "usual", label: "Ask for each host", hint: "What the policy does not allow is asked." },
            { value: "none", label: "No network", hint: "Nothing goes out." },
            { value: "all", label: "Everything", disabled: true },
          ]}
        />
      </Specimen>
      <Specimen name="Search">
        <SearchInput label="Search sessions" value={q} onChange={setQ} keys="/" />
        <p className="mt-2 text-sm text-ink-3">{q === "" ? "Nothing looked for." : `Looked for: ${q}`}</p>
      </Specimen>
    </Specimens>
  );
}
