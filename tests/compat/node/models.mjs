// Prints, as JSON, what Segment's SDK says about its answers: the model of each operation, and the fields of each model
// with type, whether required, whether null may stand there, and the values of enums. The SDK itself checks nothing.

import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const root = dirname(createRequire(import.meta.url).resolve('@segment/public-api-sdk-typescript/package.json'))
const text = (folder, file) => readFileSync(join(root, folder, file), 'utf8')
const spaced = (type) => type.replace(/\s+/g, ' ').trim()

const models = {}
for (const file of readdirSync(join(root, 'model')).filter((name) => name.endsWith('.ts') && name !== 'models.ts')) {
  const source = text('model', file)
  const name = /export class (\w+)/.exec(source)?.[1]
  if (!name) continue
  const enums = Object.fromEntries(
    [...source.matchAll(/export enum (\w+) \{([\s\S]*?)\n    \}/g)].map(([, key, body]) => [
      `${name}.${key}`,
      [...body.matchAll(/<any>\s*'((?:[^'\\]|\\.)*)'/g)].map((match) => match[1]),
    ]),
  )
  const body = source.slice(source.indexOf('export class'), source.indexOf('static discriminator'))
  const fields = {}
  for (const [, key, optional, type] of body.matchAll(/^    '(\w+)'(\?)?:\s*([\s\S]*?);\n/gm)) {
    const kind = spaced(type)
    fields[key] = {
      type: kind.replace(/ \| null/, ''),
      required: !optional,
      nullable: / \| null/.test(kind),
      enum: enums[/\w+\.\w+Enum/.exec(kind)?.[0]] ?? null,
    }
  }
  models[name] = fields
}

const operations = {}
for (const file of readdirSync(join(root, 'api')).filter((name) => name.endsWith('Api.ts'))) {
  const parts = text('api', file).split(/(?=public async \w+\()/).slice(1)
  for (const part of parts) {
    const answer = /ObjectSerializer\.deserialize\(\s*body,\s*'([^']+)'/.exec(part)?.[1]
    operations[/public async (\w+)\(/.exec(part)[1]] = answer
  }
}
console.log(JSON.stringify({ models, operations }))
