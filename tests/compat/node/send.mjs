// Makes the calls of a file with Segment's Node SDK, as an application would: only the host is its own.
// node send.mjs CALLS '{"host": "…", "writeKey": "…", …}' [hours by which this machine's clock is wrong]

import { readFileSync } from 'node:fs'
import { Analytics } from '@segment/analytics-node'

const [calls, settings, hours] = process.argv.slice(2)

if (hours) {
  const Right = Date
  const wrong = Number(hours) * 3_600_000
  globalThis.Date = class extends Right {
    constructor(...given) {
      given.length ? super(...given) : super(Right.now() + wrong)
    }
    static now() {
      return Right.now() + wrong
    }
  }
}

const analytics = new Analytics(JSON.parse(settings))
const lost = []
analytics.on('error', (error) => lost.push(error))
for (const line of readFileSync(calls, 'utf8').split('\n').filter(Boolean)) {
  const { type, ...call } = JSON.parse(line)
  if (call.timestamp) call.timestamp = new Date(call.timestamp)
  if (call.traits?.createdAt) call.traits.createdAt = new Date(call.traits.createdAt)
  analytics[type](call)
}
await analytics.closeAndFlush({ timeout: 120_000 })
if (lost.length) {
  console.error(lost.length, 'failures, the first:', lost[0])
  process.exitCode = 1
}
