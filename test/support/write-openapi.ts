import { writeFile } from 'node:fs/promises'

import { openApiDocument, problemCodesFile } from './openapi-document.ts'

// npm run openapi: writes docs/openapi.json, and the client's list of problems.
await writeFile(new URL('../../docs/openapi.json', import.meta.url), await openApiDocument())
await writeFile(new URL('../../src/client/problem-codes.ts', import.meta.url), problemCodesFile())
