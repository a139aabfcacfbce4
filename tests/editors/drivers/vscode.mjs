// A client of the packages that VS Code's own client is made of: connections, document, edits.
// Each line of the input is a question [name, ...arguments]; each line of the output its answer.

import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import readline from "node:readline"
import { pathToFileURL } from "node:url"

const require = createRequire(path.join(process.env.LLMSTEP_TEST_MODULES, "x.js"))
const protocol = require("vscode-languageserver-protocol/node")
const { TextDocument } = require("vscode-languageserver-textdocument")

const [lean, capabilitiesFile] = process.argv.slice(2)
const captured = JSON.parse(readFileSync(capabilitiesFile, "utf8"))
const capabilities = captured.capabilities ?? captured
const PROGRAMS = { lean: [lean], llmstep: ["llmstep", "serve"] }
// VS Code gives a server up when it ends five times within three minutes.
const MOST_RESTARTS = 4

const clients = new Map()
let document = TextDocument.create("untitled:", "lean4", 0, "")
let cursor = 0
let offered = []

class Client {
  constructor(name) {
    this.name = name
    this.restarts = 0
    this.diagnostics = []
    this.ready = this.start()
  }

  async start() {
    this.running = false
    const [program, ...words] = PROGRAMS[this.name]
    this.process = spawn(program, words, { stdio: ["pipe", "pipe", "ignore"] })
    this.process.on("exit", () => this.ended())
    this.process.stdin.on("error", () => {})
    this.connection = protocol.createProtocolConnection(this.process.stdout, this.process.stdin)
    this.connection.onError(() => {})
    this.connection.onNotification(protocol.PublishDiagnosticsNotification.type, (params) => {
      if (params.uri === document.uri) this.diagnostics = params.diagnostics
    })
    this.connection.onRequest(() => null)
    this.connection.listen()
    const folder = pathToFileURL(path.dirname(new URL(document.uri).pathname)).href
    const answer = await this.connection.sendRequest(protocol.InitializeRequest.type, {
      processId: process.pid,
      rootUri: folder,
      capabilities,
      workspaceFolders: [{ uri: folder, name: "proof" }],
    })
    this.provides = answer.capabilities
    await this.connection.sendNotification(protocol.InitializedNotification.type, {})
    await this.openDocument()
    this.running = true
  }

  // Starting again is what VS Code's default error handler does.
  ended() {
    this.running = false
    this.connection.dispose()
    if (this.closing || this.restarts >= MOST_RESTARTS) return
    this.restarts += 1
    this.ready = this.start()
  }

  openDocument() {
    const { uri, languageId, version } = document
    return this.connection.sendNotification(protocol.DidOpenTextDocumentNotification.type, {
      textDocument: { uri, languageId, version, text: document.getText() },
    })
  }

  request(type, params) {
    return this.connection.sendRequest(type, params)
  }

  async stop() {
    this.closing = true
    if (this.running) {
      await this.request(protocol.ShutdownRequest.type)
      await this.connection.sendNotification(protocol.ExitNotification.type)
    }
    this.process.kill()
  }
}

const running = () => [...clients.values()].filter((client) => client.running)

async function change(range, text) {
  const at = document.offsetAt(range.start)
  const length = document.offsetAt(range.end) - at
  document = TextDocument.update(document, [{ range, text }], document.version + 1)
  if (cursor >= at + length) cursor += text.length - length
  const textDocument = { uri: document.uri, version: document.version }
  for (const client of running())
    await client.connection.sendNotification(protocol.DidChangeTextDocumentNotification.type, {
      textDocument,
      contentChanges: [{ range, text }],
    })
}

async function applyEdits(edits) {
  // From the end, so that the places of the others stay.
  const last = (edit) => document.offsetAt(edit.range.start)
  for (const edit of [...edits].sort((a, b) => last(b) - last(a)))
    await change(edit.range, edit.newText)
}

function here() {
  const position = document.positionAt(cursor)
  return { textDocument: { uri: document.uri }, position }
}

// The word that VS Code would replace where a server names no range of its own.
function word() {
  const before = document.getText().slice(0, cursor)
  const length = /[\w.]*$/.exec(before)[0].length
  return { start: document.positionAt(cursor - length), end: document.positionAt(cursor) }
}

async function complete() {
  offered = []
  const typed = document.getText(word())
  for (const client of running().filter((client) => client.provides.completionProvider)) {
    const answer = await client.request(protocol.CompletionRequest.type, here())
    for (const item of Array.isArray(answer) ? answer : (answer?.items ?? []))
      if ((item.filterText ?? item.label).startsWith(typed)) offered.push(item)
  }
  return offered
}

// Snippets of one stop: the text and where the cursor ends.
function expand(item, text) {
  if (item.insertTextFormat !== protocol.InsertTextFormat.Snippet) return [text, text.length]
  const stop = /\$(?:\d+|\{\d+(?::[^}]*)?\})/
  const at = text.search(stop)
  return at < 0 ? [text, text.length] : [text.replace(stop, ""), at]
}

async function listActions() {
  const { position } = here()
  offered = []
  for (const client of running().filter((client) => client.provides.codeActionProvider)) {
    const at = document.offsetAt(position)
    const diagnostics = client.diagnostics.filter(
      ({ range }) => document.offsetAt(range.start) <= at && at <= document.offsetAt(range.end),
    )
    const answer = await client.request(protocol.CodeActionRequest.type, {
      textDocument: { uri: document.uri },
      range: { start: position, end: position },
      context: { diagnostics, triggerKind: protocol.CodeActionTriggerKind.Invoked },
    })
    for (const action of answer ?? []) offered.push({ client, action })
  }
  return offered.map(({ action }) => action.title)
}

const ANSWERS = {
  version: () => {
    const file = "vscode-languageserver-protocol/package.json"
    const text = readFileSync(path.join(process.env.LLMSTEP_TEST_MODULES, file), "utf8")
    return JSON.parse(text).version
  },
  async open(file, servers) {
    for (const client of clients.values()) {
      if (client.running)
        await client.connection.sendNotification(protocol.DidCloseTextDocumentNotification.type, {
          textDocument: { uri: document.uri },
        })
      client.diagnostics = []
    }
    document = TextDocument.create(pathToFileURL(file).href, "lean4", 1, readFileSync(file, "utf8"))
    for (const [name, client] of clients)
      if (!servers.includes(name)) {
        await client.stop()
        clients.delete(name)
      }
    for (const name of servers) {
      if (clients.has(name)) await clients.get(name).openDocument()
      else clients.set(name, new Client(name))
      await clients.get(name).ready
    }
  },
  attached: () => running().length,
  move(line, column) {
    const text = document.getText().split("\n")[line]
    const character = [...text].slice(0, column).join("").length
    cursor = document.offsetAt({ line, character })
  },
  async type(key) {
    const { position } = here()
    await change({ start: position, end: position }, key)
  },
  text: () => document.getText(),
  messages: () => running().flatMap((client) => client.diagnostics.map(({ message }) => message)),
  async settle() {
    const { uri, version } = document
    await clients.get("lean").request("textDocument/waitForDiagnostics", { uri, version })
  },
  listCompletions: async () => (await complete()).map(({ label }) => label),
  async takeCompletion(label) {
    const item = (await complete()).find((item) => item.label === label)
    if (!item) throw new Error(`${label} is not offered`)
    const [text, stop] = expand(item, item.textEdit?.newText ?? item.insertText ?? item.label)
    const range = item.textEdit?.range ?? item.textEdit?.insert ?? word()
    const start = document.offsetAt(range.start)
    await change(range, text)
    cursor = start + stop
  },
  listActions,
  async takeAction(title) {
    await listActions()
    const found = offered.find(({ action }) => action.title.startsWith(title))
    if (!found) throw new Error(`${title} is not offered`)
    let { action } = found
    if (!action.edit && found.client.provides.codeActionProvider.resolveProvider)
      action = await found.client.request(protocol.CodeActionResolveRequest.type, action)
    const { changes, documentChanges } = action.edit
    for (const one of documentChanges ?? []) {
      const wanted = one.textDocument.version
      if (wanted !== null && wanted !== undefined && wanted !== document.version)
        throw new Error(`the edit is for version ${wanted}, not ${document.version}`)
      await applyEdits(one.edits)
    }
    if (!documentChanges) await applyEdits(changes[document.uri])
  },
  announces(names) {
    let value = capabilities
    for (const name of names) value = value?.[name]
    return value !== undefined && value !== null
  },
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const [name, ...words] = JSON.parse(line)
  let reply
  try {
    reply = { value: (await ANSWERS[name](...words)) ?? null }
  } catch (error) {
    reply = { error: String(error.stack ?? error) }
  }
  process.stdout.write(JSON.stringify(reply) + "\n")
}
for (const client of clients.values()) await client.stop()
process.exit(0)
