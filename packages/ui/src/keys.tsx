export { KeyHint as Keys } from "./key-hint.tsx";
