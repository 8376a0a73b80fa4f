// Asks Segment's tsub what conditions and actions make of events: cases in as JSON lines, answers out the same way.
// node filters.mjs < CASES

import { createInterface } from 'node:readline'
import tsub from '@segment/tsub'

const answer = ({ event, ir, transformers }) =>
  transformers ? tsub.transform(event, transformers) : tsub.matches(event, { type: 'fql', ir: JSON.stringify(ir) })

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answer(JSON.parse(line))))
}
