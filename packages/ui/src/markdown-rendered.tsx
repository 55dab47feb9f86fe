import { WrapText } from "lucide-react";
import { useState, type ReactElement, type ReactNode } from "react";
import ReactMarkdown, { defaultUrlTransform, type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { IconButton } from "./button.tsx";
import { CodeBlock } from "./code-block.tsx";

/** Pictures that are in the text itself, made by this page, or kept by this very server: showing one tells nobody anything. */
const OWN_PICTURE = /^(data:image\/(png|jpeg|gif|webp|avif);base64,|\/v1\/artifacts\/[\w-]+\/content$)/;
const isOwnPicture = (src: string): boolean =>
  OWN_PICTURE.test(src) || (typeof window !== "undefined" && src.startsWith(`blob:${window.location.origin}/`));

const COMPONENTS: Components = {
  a: ({ href, children }) => (
    <a href={href} target="_blank" rel="noreferrer noopener nofollow">
      {children}
    </a>
  ),
  img: ({ src, alt }) =>
    typeof src === "string" && isOwnPicture(src) ? (
      <img src={src} alt={alt === undefined || alt === "" ? "A picture without a description" : alt} loading="lazy" />
    ) : (
      <a href={typeof src === "string" ? src : undefined} target="_blank" rel="noreferrer noopener nofollow">
        {alt === undefined || alt === "" ? "image" : alt}
      </a>
    ),
  pre: ({ children }) => <Fence>{children}</Fence>,
  input: ({ checked }) => (
    <input type="checkbox" checked={checked === true} aria-label={checked === true ? "done" : "not done"} readOnly disabled />
  ),
};
const PLUGINS = [remarkGfm];

/** A fenced block: its language, coloured; wrapped at a press where its lines are long. */
function Fence({ children }: { children: ReactNode }) {
  const [wrap, setWrap] = useState(false);
  const { className = "", children: code = "" } = (children as ReactElement<{ className?: string; children?: ReactNode }>).props;
  const language = /language-([\w+#.-]{1,30})/.exec(className)?.[1];
  const text = String(code).replace(/\n$/, "");
  const isLong = text.split("\n").some((line) => line.length > 80);
  return (
    <div className="group/fence relative">
      <CodeBlock
        code={text}
        language={language}
        wrap={wrap}
        {...(language === undefined ? {} : { title: language })}
        className="[&_pre]:rounded-none [&_pre]:border-0 [&_pre]:bg-transparent"
      />
      {isLong && (
        <IconButton
          label={wrap ? "Do not wrap long lines" : "Wrap long lines"}
          aria-pressed={wrap}
          className="!absolute top-1 right-9 z-10 bg-sunken opacity-0 group-focus-within/fence:opacity-100 group-hover/fence:opacity-100 [@media(hover:none)]:opacity-100"
          onClick={() => setWrap(!wrap)}
        >
          <WrapText size={14} />
        </IconButton>
      )}
    </div>
  );
}

export default function Rendered({ text, className }: { text: string; className: string }) {
  return (
    <div className={`prose ${className}`}>
      <ReactMarkdown
        remarkPlugins={PLUGINS}
        components={COMPONENTS}
        urlTransform={(url, key) => (key === "src" && isOwnPicture(url) ? url : defaultUrlTransform(url))}
      >
        {text}
      </ReactMarkdown>
    </div>
  );
}
