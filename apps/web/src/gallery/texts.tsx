import { AnsiText } from "@signalbox/ui/ansi-text";
import { CodeBlock } from "@signalbox/ui/code-block";
import { JsonView } from "@signalbox/ui/json-view";
import { Markdown } from "@signalbox/ui/markdown";
import { HOSTILE, Specimen, Specimens } from "./specimen.tsx";

const CODE = `/** Rounds half to even, as the bank does. */
export function total(lines: readonly Line[], rate = 0.19): Money {
  const sum = lines.reduce((sum, line) => sum + line.amount * line.count, 0);
  if (Number.isNaN(sum)) throw new TypeError(\`not a number: \${lines.length}\`);
  return money(sum * (1 + rate)); // cents
}
`;
const E = "\u001b";
const ANSI = `${E}[1m${E}[46m RUN ${E}[0m v5.1.1 ${E}[90m/work/ledger${E}[0m
 ${E}[32m✓${E}[0m rounds.test.ts ${E}[2m(12 tests)${E}[0m ${E}[33m 340 ms${E}[0m
 ${E}[31m✗${E}[0m totals.test.ts
   ${E}[31mexpected ${E}[32m119${E}[31m, got ${E}[1m118.99${E}[0m
10 %\r50 %\r100 % done
${E}]0;a title${E}\\${E}[2J${E}]8;;javascript:alert(1)${E}\\not a link${E}]8;;${E}\\ ${E}]8;;https://example.com${E}\\a link${E}]8;;${E}\\
${E}[38;2;255;90;200mtrue colour${E}[0m ${E}[7minverse${E}[0m ${E}[41mon red${E}[0m`;
const JSON_VALUE = {
  action: "git.push",
  params: { remote: "origin", ref: "refs/heads/main", old: "3f2a", new: "9c1b" },
  files: Array.from({ length: 240 }, (_, i) => ({ path: `src/${i}.ts`, additions: i })),
  "a key with spaces": HOSTILE,
  note: "x".repeat(5_000),
  ok: true,
  nothing: null,
};
const MARKDOWN = `## What I found

The total is rounded **before** the discount. See [the issue](https://example.com) and \`src/invoice.js\`.

- [x] failing test
- [ ] push

| case | before | after |
| --- | ---: | ---: |
| refund | 118.99 | 119.00 |

> Quoted, <script>alert(1)</script> and ![a chart](https://evil.example/p.png)
`;

export function Texts() {
  return (
    <Specimens>
      <Specimen name="Code" wide>
        <CodeBlock code={CODE} language="ts" title="src/total.ts" />
      </Specimen>
      <Specimen name="Code, no language, one long line">
        <CodeBlock code={HOSTILE.repeat(4)} />
      </Specimen>
      <Specimen name="Code, too much">
        <CodeBlock code={"one line of many\n".repeat(20_000)} language="txt" className="max-h-56 overflow-y-auto" />
      </Specimen>
      <Specimen name="Terminal output" wide>
        <AnsiText text={ANSI} label="Output of npm test" />
      </Specimen>
      <Specimen name="JSON">
        <JsonView value={JSON_VALUE} label="Arguments" />
      </Specimen>
      <Specimen name="Markdown">
        <Markdown text={MARKDOWN} />
      </Specimen>
    </Specimens>
  );
}
