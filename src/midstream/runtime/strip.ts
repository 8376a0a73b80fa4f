// Takes the types out of a code: enters on stdin, leaves as JSON on stdout, `{code}` or `{error}`. Nothing of it is run.
// A process of its own, since Deno's parser has to read where its thread's stack ends, which no function's process may.
import { stripTypeScriptTypes } from "node:module";

const code = await new Response(Deno.stdin.readable).text();
let said: { code: string } | { error: string };
try {
  said = { code: stripTypeScriptTypes(code) };
} catch (error) {
  said = { error: String((error as Error).message) };
}
await new Response(JSON.stringify(said)).body!.pipeTo(Deno.stdout.writable);
