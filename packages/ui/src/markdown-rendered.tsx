import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";

const COMPONENTS: Components = {
  a: ({ href, children }) => (
    <a href={href} target="_blank" rel="noreferrer noopener nofollow">
      {children}
    </a>
  ),
  img: ({ src, alt }) => (
    <a href={typeof src === "string" ? src : undefined} target="_blank" rel="noreferrer noopener nofollow">
      {alt === undefined || alt === "" ? "image" : alt}
    </a>
  ),
  input: ({ checked }) => (
    <input type="checkbox" checked={checked === true} aria-label={checked === true ? "done" : "not done"} readOnly disabled />
  ),
};
const PLUGINS = [remarkGfm];

export default function Rendered({ text, className }: { text: string; className: string }) {
  return (
    <div className={`prose ${className}`}>
      <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS}>
        {text}
      </ReactMarkdown>
    </div>
  );
}
