// Parses the flowchart on standard input by Mermaid's own parser. Without a browser there is no DOM to clean labels in.
import { text } from "node:stream/consumers";
import DOMPurify from "dompurify";

Object.assign(DOMPurify, { addHook() {}, sanitize: (label) => label });
const { default: mermaid } = await import("mermaid");
const { diagramType } = await mermaid.parse(await text(process.stdin));
console.log(diagramType);
