prelude
import Init.L
set_option linter.all false
set_option autoImplicit true
universe u v w
/- info trees, language server requests, code actions, `try?`: what LLMstep/CodeAction.lean and LLMstep/Try.lean need.
Sources in tests/lean/API.md; layouts are checked by tests/lean/test_language_server.py, which runs them. -/
namespace Lean
opaque bedServer : NonemptyType.{0}
@[extern "l_Lean_LocalContext_empty"] opaque LocalContext.empty : LocalContext
instance : EmptyCollection LocalContext := ⟨LocalContext.empty⟩
structure Syntax.Range where
  start : String.Pos.Raw
  stop : String.Pos.Raw
@[extern "l_Lean_Syntax_getRange_x3f"] opaque Syntax.getRange? (stx : Syntax) (canonicalOnly := false) : Option Syntax.Range
@[extern "l_Lean_FileMap_utf8RangeToLspRange"] opaque FileMap.utf8RangeToLspRange (text : FileMap) (range : Syntax.Range) : Lsp.Range := ⟨⟨0, 0⟩, ⟨0, 0⟩⟩
namespace Elab
structure CommandContextInfo where
  env : Environment
  cmdEnv? : Option Environment
  fileMap : FileMap
  mctx : MetavarContext
  options : Options
  currNamespace : Name
  openDecls : bedServer.type
  ngen : bedServer.type
structure ContextInfo extends CommandContextInfo where
  parentDecl? : Option Name
  autoImplicits : Array Expr
structure ElabInfo where
  elaborator : Name
  stx : Syntax
structure TacticInfo extends ElabInfo where
  mctxBefore : MetavarContext
  goalsBefore : List MVarId
  mctxAfter : MetavarContext
  goalsAfter : List MVarId
structure TermInfo extends ElabInfo where
  lctx : LocalContext
  expectedType? : Option Expr
  expr : Expr
  isBinder : Bool := false
/-- the constructors in the real order; most are opaque here -/
inductive Info where
  | ofTacticInfo (i : TacticInfo)
  | ofTermInfo (i : TermInfo)
  | ofPartialTermInfo (i : bedServer.type)
  | ofCommandInfo (i : bedServer.type)
  | ofMacroExpansionInfo (i : bedServer.type)
  | ofOptionInfo (i : bedServer.type)
  | ofErrorNameInfo (i : bedServer.type)
  | ofFieldInfo (i : bedServer.type)
  | ofCompletionInfo (i : bedServer.type)
  | ofUserWidgetInfo (i : bedServer.type)
  | ofCustomInfo (i : bedServer.type)
  | ofFVarAliasInfo (i : bedServer.type)
  | ofFieldRedeclInfo (i : bedServer.type)
  | ofDelabTermInfo (i : bedServer.type)
  | ofChoiceInfo (i : bedServer.type)
  | ofDocInfo (i : bedServer.type)
  | ofDocElabInfo (i : bedServer.type)
/-- the contents of a `node`'s children are opaque -/
inductive InfoTree where
  | context (i : bedServer.type) (t : InfoTree)
  | node (i : Info) (children : bedServer.type)
  | hole (mvarId : MVarId)
instance : Nonempty InfoTree := bedTrust
@[extern "l_Lean_Elab_InfoTree_foldInfo"] opaque InfoTree.foldInfo {α : Type} (f : ContextInfo → Info → α → α) (init : α) (t : InfoTree) : α := init
@[extern "l_Lean_Elab_Term_withoutTacticIncrementality"] opaque Term.withoutTacticIncrementality {m : Type → Type} {α : Type} [Monad m] [MonadWithReaderOf Term.Context m] [MonadOptions m] (cond : Bool) (act : m α) : m α := bedSorry
@[extern "l_Lean_Elab_pushInfoTree"] opaque pushInfoTree {m : Type → Type} [Monad m] [MonadInfoTree m] (t : InfoTree) : m Unit := bedSorry
@[extern "l_Lean_Elab_getInfoHoleIdAssignment_x3f"] opaque getInfoHoleIdAssignment? {m : Type → Type} [Monad m] [MonadInfoTree m] (mvarId : MVarId) : m (Option InfoTree) := bedSorry
@[extern "l_Lean_Elab_withInfoHole"] opaque withInfoHole {m : Type → Type} {α : Type} [MonadFinally m] [Monad m] [MonadInfoTree m] (mvarId : MVarId) (x : m α) : m α := bedSorry
@[extern "l_Lean_Elab_Tactic_withTacticInfoContext"] opaque Tactic.withTacticInfoContext {α : Type} (stx : Syntax) (x : Tactic.TacticM α) : Tactic.TacticM α := bedSorry
@[extern "l_Lean_Elab_ContextInfo_runMetaM"] opaque ContextInfo.runMetaM {α : Type} (info : ContextInfo) (lctx : LocalContext) (x : MetaM α) : IO α
namespace Term
@[extern "l_Lean_Elab_Term_instInhabitedState_default"] opaque instInhabitedState.default : State := bedSorry
@[extern "l_Lean_Elab_Term_TermElabM_run_x27"] opaque TermElabM.run' {α : Type} (x : TermElabM α) (ctx : Context := {}) (s : State := instInhabitedState.default) : MetaM α := bedSorry
@[extern "l_Lean_Elab_Term_withDeclName"] opaque withDeclName {α : Type} (name : Name) (x : TermElabM α) : TermElabM α := bedSorry
end Term
end Elab
namespace Lsp
structure TextEdit where
  range : Range
  newText : String
  leanExtSnippet? : Option bedServer.type := none
  annotationId? : Option String := none
structure WorkspaceEdit where
  bedVal : bedServer.type
structure VersionedTextDocumentIdentifier where
  bedVal : bedServer.type
instance : Nonempty WorkspaceEdit := bedTrust
instance : Nonempty VersionedTextDocumentIdentifier := bedTrust
@[extern "l_Lean_Lsp_instToJsonTextEdit_toJson"] opaque instToJsonTextEdit.toJson (x : TextEdit) : Json
instance : ToJson TextEdit := ⟨instToJsonTextEdit.toJson⟩
@[extern "l_Lean_Lsp_instFromJsonWorkspaceEdit_fromJson"] opaque instFromJsonWorkspaceEdit.fromJson (json : Json) : Except String WorkspaceEdit
instance : FromJson WorkspaceEdit := ⟨instFromJsonWorkspaceEdit.fromJson⟩
@[extern "l_Lean_Lsp_WorkspaceEdit_ofTextEdit"] opaque WorkspaceEdit.ofTextEdit (doc : VersionedTextDocumentIdentifier) (te : TextEdit) : WorkspaceEdit
structure DiagnosticWith (α : Type) where
  range : Range
  fullRange? : Option Range := none
  severity? : Option bedServer.type := none
  isSilent? : Option Bool := none
  code? : Option bedServer.type := none
  source? : Option String := none
  message : α
  tags? : Option bedServer.type := none
  leanTags? : Option bedServer.type := none
  relatedInformation? : Option bedServer.type := none
  data? : Option Json := none
abbrev Diagnostic := DiagnosticWith String
structure TextDocumentIdentifier where
  uri : String
structure WorkDoneProgressParams where
  workDoneToken? : Option bedServer.type := none
structure PartialResultParams where
  partialResultToken? : Option bedServer.type := none
structure CodeActionContext where
  diagnostics : Array Diagnostic := #[]
  only? : Option (Array String) := none
  triggerKind? : Option bedServer.type := none
structure CodeActionParams extends WorkDoneProgressParams, PartialResultParams where
  textDocument : TextDocumentIdentifier
  range : Range
  context : CodeActionContext := {}
structure CodeAction extends WorkDoneProgressParams, PartialResultParams where
  title : String
  kind? : Option String := none
  diagnostics? : Option (Array Diagnostic) := none
  isPreferred? : Option Bool := none
  disabled? : Option bedServer.type := none
  edit? : Option WorkspaceEdit := none
  command? : Option bedServer.type := none
  data? : Option Json := none
structure ResolveSupport where
  properties : Array String
structure CodeActionClientCapabilities where
  dynamicRegistration? : Option Bool := some false
  isPreferredSupport? : Option Bool := some false
  disabledSupport? : Option Bool := some false
  dataSupport? : Option Bool := some false
  honorsChangeAnnotations? : Option Bool := some false
  codeActionLiteralSupport? : Option bedServer.type := none
  resolveSupport? : Option ResolveSupport := none
structure TextDocumentClientCapabilities where
  completion? : Option bedServer.type := none
  codeAction? : Option CodeActionClientCapabilities := none
  inlayHint? : Option bedServer.type := none
structure WorkspaceEditClientCapabilities where
  documentChanges? : Option Bool := none
  changeAnnotationSupport? : Option bedServer.type := none
  resourceOperations? : Option (Array String) := none
structure WorkspaceClientCapabilities where
  applyEdit? : Option Bool := none
  workspaceEdit? : Option WorkspaceEditClientCapabilities := none
structure ClientCapabilities where
  textDocument? : Option TextDocumentClientCapabilities := none
  window? : Option bedServer.type := none
  workspace? : Option WorkspaceClientCapabilities := none
  lean? : Option bedServer.type := none
structure InitializeParams where
  processId? : Option Int := none
  clientInfo? : Option bedServer.type := none
  rootUri? : Option String := none
  initializationOptions? : Option bedServer.type := none
  capabilities : ClientCapabilities
  bedRest : bedServer.type
end Lsp
namespace Server
structure DocumentMeta where
  uri : String
  bedModule : bedServer.type
  version : Nat
  text : FileMap
  bedRest : bedServer.type
namespace FileWorker
structure EditableDocumentCore where
  «meta» : DocumentMeta
  bedRest : bedServer.type
structure EditableDocument extends EditableDocumentCore where
  bedReporter : bedServer.type
instance : Nonempty EditableDocument := bedTrust
@[extern "l_Lean_Server_FileWorker_EditableDocument_versionedIdentifier"] opaque EditableDocument.versionedIdentifier (ed : EditableDocument) : Lsp.VersionedTextDocumentIdentifier
end FileWorker
structure RequestContext where
  rpcSessions : bedServer.type
  doc : FileWorker.EditableDocument
  hLog : bedServer.type
  initParams : Lsp.InitializeParams
  bedRest : bedServer.type
structure RequestError where
  bedVal : bedServer.type
instance : Nonempty RequestError := bedTrust
abbrev RequestM := ReaderT RequestContext (EIO RequestError)
@[extern "l_Lean_Server_RequestM_readDoc"] opaque RequestM.readDoc {m : Type → Type} [Monad m] [MonadReaderOf RequestContext m] : m FileWorker.EditableDocument := bedSorry
structure Snapshots.Snapshot where
  bedVal : bedServer.type
@[extern "l_Lean_Server_Snapshots_Snapshot_infoTree"] opaque Snapshots.Snapshot.infoTree (s : Snapshots.Snapshot) : Elab.InfoTree
open Snapshots in
structure LazyCodeAction where
  eager : Lsp.CodeAction
  lazy? : Option (IO Lsp.CodeAction) := none
def CodeActionProvider := Lsp.CodeActionParams → Snapshots.Snapshot → RequestM (Array LazyCodeAction)
end Server
namespace Meta.Try
structure Info where
  bedVal : bedServer.type
end Meta.Try
end Lean
namespace Lean.Meta
structure SavedState where
  bedVal : bedServer.type
instance : Nonempty SavedState := bedTrust
@[extern "l_Lean_Meta_saveState"] protected opaque saveState : MetaM SavedState := bedSorry
@[extern "l_Lean_Meta_SavedState_restore"] opaque SavedState.restore (b : SavedState) : MetaM Unit := bedSorry
end Lean.Meta
@[extern "l_Lean_Parser_Tactic_tryTrace"] opaque Lean.Parser.Tactic.tryTrace : Lean.ParserDescr
attribute [tactic_parser 1000] Lean.Parser.Tactic.tryTrace
@[extern "l_System_Uri_fileUriToPath_x3f"] opaque System.Uri.fileUriToPath? (uri : String) : Option System.FilePath
