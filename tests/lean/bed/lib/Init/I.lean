prelude
import Init.Sync
set_option linter.all false
set_option autoImplicit true
universe u v w
namespace Lean
/- identifiers, names, opaque core data -/
structure FVarId where
  name : Name
structure MVarId where
  name : Name
structure LMVarId where
  name : Name
instance : Inhabited MVarId := ⟨⟨.anonymous⟩⟩
instance : Inhabited FVarId := ⟨⟨.anonymous⟩⟩
instance : BEq MVarId := ⟨fun a b => a.name == b.name⟩
opaque bedExpr : NonemptyType.{0}
/-- In the bed `Expr` is an opaque type: no pattern matching on expressions. -/
structure Expr where
  bedVal : bedExpr.type
instance : Nonempty Expr := bedTrust
noncomputable instance : Inhabited Expr := ⟨Classical.ofNonempty⟩
opaque bedLevel : NonemptyType.{0}
structure Level where
  bedVal : bedLevel.type
instance : Nonempty Level := bedTrust
opaque bedNameSet : NonemptyType.{0}
structure NameSet where
  bedVal : bedNameSet.type
instance : Nonempty NameSet := bedTrust
@[extern "l_Lean_NameSet_empty"] opaque NameSet.empty : NameSet
opaque bedEnvironment : NonemptyType.{0}
structure Environment where
  bedVal : bedEnvironment.type
instance : Nonempty Environment := bedTrust
opaque bedOptions : NonemptyType.{0}
structure Options where
  bedVal : bedOptions.type
instance : Nonempty Options := bedTrust
structure FileMap where
  source : String
  positions : Array String.Pos.Raw
instance : Inhabited FileMap := ⟨"", Array.empty⟩
inductive MessageSeverity where
  | information | warning | error
structure Position where
  line : Nat
  column : Nat
instance : Inhabited Position := ⟨⟨0, 0⟩⟩
opaque bedMessageLog : NonemptyType.{0}
structure MessageLog where
  bedVal : bedMessageLog.type
instance : Nonempty MessageLog := bedTrust
opaque bedLocalContext : NonemptyType.{0}
structure LocalContext where
  bedVal : bedLocalContext.type
instance : Nonempty LocalContext := bedTrust
opaque bedKVMap : NonemptyType.{0}
structure KVMap where
  bedVal : bedKVMap.type
instance : Nonempty KVMap := bedTrust
structure InternalExceptionId where
  idx : Nat := 0
/- MessageData: constructor order checked against the binary (compose = 7) -/
opaque bedOpaque : NonemptyType.{0}
inductive MessageData where
  | ofFormatWithInfos (x : bedOpaque.type)
  | ofGoal (g : MVarId)
  | ofWidget (w : bedOpaque.type) (m : MessageData)
  | withContext (c : bedOpaque.type) (m : MessageData)
  | withNamingContext (c : bedOpaque.type) (m : MessageData)
  | nest (n : Nat) (m : MessageData)
  | group (m : MessageData)
  | compose (a b : MessageData)
  | tagged (n : Name) (m : MessageData)
  | trace (data : bedOpaque.type) (msg : MessageData) (children : Array MessageData)
  | ofLazy (f : bedOpaque.type) (g : bedOpaque.type)
structure BaseMessage (α : Type u) where
  fileName : String
  pos : Position
  endPos : Option Position := none
  keepFullRange : Bool := false
  severity : MessageSeverity := MessageSeverity.error
  isSilent : Bool := false
  caption : String := ""
  data : α
abbrev Message := BaseMessage MessageData
namespace MessageData
@[extern "l_Lean_MessageData_ofFormat"] opaque ofFormat (fmt : Format) : MessageData := .ofGoal default
@[extern "l_Lean_MessageData_nil"] opaque nil : MessageData := .ofGoal default
@[extern "l_Lean_MessageData_ofExpr"] opaque ofExpr (e : Expr) : MessageData := .ofGoal default
@[extern "l_Lean_MessageData_ofName"] opaque ofName (n : Name) : MessageData := .ofGoal default
@[extern "l_Lean_MessageData_ofSyntax"] opaque ofSyntax (stx : Syntax) : MessageData := .ofGoal default
@[extern "l_Lean_MessageData_joinSep"] opaque joinSep : List MessageData → MessageData → MessageData := fun _ _ => .ofGoal default
@[extern "l_Lean_MessageData_toString"] protected opaque toString (m : MessageData) : BaseIO String
end MessageData
@[extern "l_Lean_stringToMessageData"] opaque stringToMessageData (s : String) : MessageData := .ofGoal default
noncomputable instance bedInhMD : Inhabited MessageData := ⟨MessageData.nil⟩
attribute [-instance] bedInhMD
instance : Nonempty MessageData := ⟨MessageData.ofGoal default⟩
instance : Append MessageData := ⟨MessageData.compose⟩
instance : Coe String MessageData := ⟨stringToMessageData⟩
instance : Coe Format MessageData := ⟨MessageData.ofFormat⟩
instance : Coe Expr MessageData := ⟨MessageData.ofExpr⟩
instance : Coe Name MessageData := ⟨MessageData.ofName⟩
instance : Coe Syntax MessageData := ⟨MessageData.ofSyntax⟩
instance : Coe MVarId MessageData := ⟨MessageData.ofGoal⟩
class ToMessageData (α : Type) where toMessageData : α → MessageData
export ToMessageData (toMessageData)
instance : ToMessageData MessageData := ⟨id⟩
instance : ToMessageData String := ⟨stringToMessageData⟩
instance : ToMessageData Format := ⟨MessageData.ofFormat⟩
instance : ToMessageData Expr := ⟨MessageData.ofExpr⟩
instance : ToMessageData Name := ⟨MessageData.ofName⟩
instance : ToMessageData Syntax := ⟨MessageData.ofSyntax⟩
instance : ToMessageData (TSyntax k) := ⟨fun s => MessageData.ofSyntax s.raw⟩
instance : ToMessageData MVarId := ⟨MessageData.ofGoal⟩
instance : ToMessageData Nat := ⟨fun n => stringToMessageData (toString n)⟩
instance : ToMessageData Json := ⟨fun n => stringToMessageData (toString n)⟩
instance : ToMessageData Bool := ⟨fun n => stringToMessageData (toString n)⟩
instance : ToMessageData IO.Error := ⟨fun n => stringToMessageData (toString n)⟩
instance [ToMessageData α] : ToMessageData (List α) := ⟨fun as => .joinSep (as.map toMessageData) (stringToMessageData ", ")⟩
instance [ToMessageData α] : ToMessageData (Array α) := ⟨fun as => .joinSep (as.toList.map toMessageData) (stringToMessageData ", ")⟩
end Lean
syntax:max "m!" interpolatedStr(term) : term
macro_rules
  | `(m! $interpStr) => do interpStr.expandInterpolatedStr (← `(Lean.MessageData)) (← `(Lean.toMessageData))
syntax:max "f!" interpolatedStr(term) : term
macro_rules
  | `(f! $interpStr) => do interpStr.expandInterpolatedStr (← `(Std.Format)) (← `(Std.format))
namespace Lean
inductive Exception where
  | error (ref : Syntax) (msg : MessageData)
  | internal (id : InternalExceptionId) (extra : KVMap)
instance : Inhabited Exception := ⟨.error .missing (.ofGoal default)⟩
@[extern "l_Lean_Exception_toMessageData"] opaque Exception.toMessageData : Exception → MessageData := fun _ => .ofGoal default
@[extern "l_Lean_Exception_getRef"] opaque Exception.getRef : Exception → Syntax
@[extern "l_Lean_Exception_isRuntime"] opaque Exception.isRuntime (ex : Exception) : Bool
@[extern "l_Lean_Exception_isInterrupt"] opaque Exception.isInterrupt (ex : Exception) : Bool
/- monads -/
namespace Core
opaque bedX : NonemptyType.{0}
/-- layout checked against the 4.35.0 binary: 12 pointers, then `Context` = cold, 2 pointers, 2 bytes -/
structure Context.Cold where
  fileName : String
  fileMap : FileMap
  options : Options
  maxRecDepth : Nat := 1000
  currNamespace : Name := Name.anonymous
  openDecls : List bedX.type := []
  initHeartbeats : Nat := 0
  maxHeartbeats : Nat
  quotContext : Name := .anonymous
  currMacroScope : Nat := 1
  cancelTk? : Option IO.CancelToken := none
  inheritedTraceOptions : bedX.type
structure Context extends Context.Cold where
  currRecDepth : Nat := 0
  ref : Syntax := Syntax.missing
  diag : Bool := false
  suppressElabErrors : Bool := false
instance : Nonempty Context := bedTrust
opaque bedState : NonemptyType.{0}
structure State where
  bedVal : bedState.type
end Core
abbrev CoreM := ReaderT Core.Context (StateRefT' IO.RealWorld Core.State (EIO Exception))
namespace Meta
opaque bedContext : NonemptyType.{0}
structure Context where
  bedVal : bedContext.type
opaque bedState : NonemptyType.{0}
structure State where
  bedVal : bedState.type
end Meta
namespace Meta
abbrev MetaM := ReaderT Context (StateRefT' IO.RealWorld State CoreM)
end Meta
export Meta (MetaM)
namespace Elab.Term
opaque bedContext : NonemptyType.{0}
/-- Layout checked against the 4.35.0 binary: 8 pointers, 11 bytes. Real names where they are certain; the maps are all trees
whose empty value is that of a `NameSet`. -/
structure Context where
  declName? : Option Name := none
  macroStack : List bedContext.type := []
  autoBoundImplicitContext : Option bedContext.type := none
  autoBoundImplicitForbidden : Name → Bool := fun _ => false
  sectionVars : NameSet := NameSet.empty
  sectionFVars : NameSet := NameSet.empty
  tacSnap? : Option bedContext.type := none
  bedFixedTermElabs : Array Name := #[]
  mayPostpone : Bool := true
  errToSorry : Bool := true
  implicitLambda : Bool := true
  heedElabAsElim : Bool := true
  bed5 : Bool := false
  bed6 : Bool := false
  bed7 : Bool := false
  bed8 : Bool := false
  saveRecAppSyntax : Bool := true
  bed10 : Bool := false
  checkDeprecated : Bool := true
opaque bedState : NonemptyType.{0}
structure State where
  bedVal : bedState.type
opaque bedSavedState : NonemptyType.{0}
structure SavedState where
  bedVal : bedSavedState.type
instance : Nonempty SavedState := bedTrust
abbrev TermElabM := ReaderT Context (StateRefT' IO.RealWorld State MetaM)
end Elab.Term
namespace Elab
export Term (TermElabM)
end Elab
namespace Elab.Tactic
opaque bedContext : NonemptyType.{0}
structure Context where
  bedVal : bedContext.type
structure State where
  goals : List MVarId
instance : Inhabited State := ⟨⟨[]⟩⟩
structure SavedState where
  term : Term.SavedState
  tactic : State
instance : Nonempty SavedState := bedTrust
abbrev TacticM := ReaderT Context (StateRefT' IO.RealWorld State TermElabM)
abbrev Tactic := Syntax → TacticM Unit
end Elab.Tactic
namespace Elab.Command
opaque bedContext : NonemptyType.{0}
structure Context where
  bedVal : bedContext.type
opaque bedState : NonemptyType.{0}
structure State where
  bedVal : bedState.type
abbrev CommandElabM := ReaderT Context (StateRefT' IO.RealWorld State (EIO Exception))
abbrev CommandElab := Syntax → CommandElabM Unit
end Elab.Command
namespace Elab
export Command (CommandElabM)
end Elab
/- native instances -/
@[extern "l_Lean_Core_instMonadCoreM"] opaque Core.instMonadCoreM : Monad CoreM := bedSorry
@[extern "l_Lean_Meta_instMonadMetaM"] opaque Meta.instMonadMetaM : Monad MetaM := bedSorry
@[extern "l_Lean_Elab_Term_instMonadTermElabM"] opaque Elab.Term.instMonadTermElabM : Monad Elab.TermElabM := bedSorry
@[extern "l_Lean_Elab_Tactic_instMonadTacticM"] opaque Elab.Tactic.instMonadTacticM : Monad Elab.Tactic.TacticM := bedSorry
attribute [instance] Core.instMonadCoreM Meta.instMonadMetaM Elab.Term.instMonadTermElabM Elab.Tactic.instMonadTacticM
instance : Inhabited (CoreM α) := ⟨fun _ _ => throw default⟩
instance : Inhabited (MetaM α) := ⟨fun _ _ => default⟩
instance : Inhabited (Elab.TermElabM α) := ⟨fun _ _ => default⟩
instance : Inhabited (Elab.Tactic.TacticM α) := ⟨fun _ _ => default⟩
@[extern "l_Lean_instMonadExceptOfExceptionCoreM"] opaque instMonadExceptOfExceptionCoreM : MonadExceptOf Exception CoreM := bedSorry
attribute [instance] instMonadExceptOfExceptionCoreM
@[extern "l_Lean_Elab_Tactic_instMonadExceptExceptionTacticM"] opaque Elab.Tactic.instMonadExceptExceptionTacticM : MonadExcept Exception Elab.Tactic.TacticM := bedSorry
attribute [instance] Elab.Tactic.instMonadExceptExceptionTacticM
@[extern "l_Lean_Core_instMonadLiftIOCoreM"] opaque Core.instMonadLiftIOCoreM : MonadLift IO CoreM := bedSorry
attribute [instance] Core.instMonadLiftIOCoreM
@[extern "l_Lean_Core_instMonadRefCoreM"] opaque Core.instMonadRefCoreM : MonadRef CoreM := bedSorry
@[extern "l_Lean_Core_instMonadQuotationCoreM"] opaque Core.instMonadQuotationCoreM : MonadQuotation CoreM := bedSorry
attribute [instance] Core.instMonadRefCoreM Core.instMonadQuotationCoreM
class MonadOptions (m : Type → Type) where getOptions : m Options
export MonadOptions (getOptions)
instance [MonadLift m n] [MonadOptions m] : MonadOptions n where getOptions := liftM (getOptions : m _)
@[extern "l_Lean_Core_instMonadOptionsCoreM"] opaque Core.instMonadOptionsCoreM : MonadOptions CoreM := bedSorry
attribute [instance] Core.instMonadOptionsCoreM
class MonadEnv (m : Type → Type) where
  getEnv : m Environment
  modifyEnv : (Environment → Environment) → m Unit
export MonadEnv (getEnv modifyEnv)
instance (m n) [MonadLift m n] [MonadEnv m] : MonadEnv n where
  getEnv := liftM (getEnv : m Environment)
  modifyEnv := fun f => liftM (modifyEnv f : m Unit)
@[extern "l_Lean_Core_instMonadEnvCoreM"] opaque Core.instMonadEnvCoreM : MonadEnv CoreM := bedSorry
attribute [instance] Core.instMonadEnvCoreM
class AddMessageContext (m : Type → Type) where addMessageContext : MessageData → m MessageData
export AddMessageContext (addMessageContext)
instance (m n) [MonadLift m n] [AddMessageContext m] : AddMessageContext n where
  addMessageContext := fun msg => liftM (addMessageContext msg : m _)
@[extern "l_Lean_Core_instAddMessageContextCoreM"] opaque Core.instAddMessageContextCoreM : AddMessageContext CoreM := bedSorry
@[extern "l_Lean_Meta_instAddMessageContextMetaM"] opaque Meta.instAddMessageContextMetaM : AddMessageContext MetaM := bedSorry
attribute [instance] Core.instAddMessageContextCoreM Meta.instAddMessageContextMetaM
class MonadFileMap (m : Type → Type) where getFileMap : m FileMap
export MonadFileMap (getFileMap)
class MonadLog (m : Type → Type) extends MonadFileMap m where
  getRef : m Syntax
  getFileName : m String
  hasErrors : m Bool
  logMessage : Message → m Unit
export MonadLog (getFileName logMessage)
instance (m n) [MonadLift m n] [MonadLog m] : MonadLog n where
  getRef := liftM (MonadLog.getRef : m _)
  getFileMap := liftM (getFileMap : m _)
  getFileName := liftM (getFileName : m _)
  hasErrors := liftM (MonadLog.hasErrors : m _)
  logMessage := fun msg => liftM (logMessage msg : m _)
@[extern "l_Lean_Core_instMonadLogCoreM"] opaque Core.instMonadLogCoreM : MonadLog CoreM := bedSorry
attribute [instance] Core.instMonadLogCoreM
@[extern "l_Lean_logInfo"] opaque logInfo {m : Type → Type} [Monad m] [MonadLog m] [AddMessageContext m] [MonadOptions m] (msgData : MessageData) : m Unit := bedSorry
@[extern "l_Lean_logInfoAt"] opaque logInfoAt {m : Type → Type} [Monad m] [MonadLog m] [AddMessageContext m] [MonadOptions m] (ref : Syntax) (msgData : MessageData) : m Unit := bedSorry
@[extern "l_Lean_log"] opaque log {m : Type → Type} [Monad m] [MonadLog m] [AddMessageContext m] [MonadOptions m] (msgData : MessageData) (severity : MessageSeverity := .error) (isSilent : Bool := false) : m Unit := bedSorry
@[extern "l_Lean_logAt"] opaque logAt {m : Type → Type} [Monad m] [MonadLog m] [AddMessageContext m] [MonadOptions m] (ref : Syntax) (msgData : MessageData) (severity : MessageSeverity := .error) (isSilent : Bool := false) : m Unit := bedSorry
@[inline] def logWarning {m : Type → Type} [Monad m] [MonadLog m] [AddMessageContext m] [MonadOptions m] (msgData : MessageData) : m Unit := log msgData .warning
@[inline] def logError {m : Type → Type} [Monad m] [MonadLog m] [AddMessageContext m] [MonadOptions m] (msgData : MessageData) : m Unit := log msgData .error
@[inline] def logErrorAt {m : Type → Type} [Monad m] [MonadLog m] [AddMessageContext m] [MonadOptions m] (ref : Syntax) (msgData : MessageData) : m Unit := logAt ref msgData .error
@[inline] def logWarningAt {m : Type → Type} [Monad m] [MonadLog m] [AddMessageContext m] [MonadOptions m] (ref : Syntax) (msgData : MessageData) : m Unit := logAt ref msgData .warning
class AddErrorMessageContext (m : Type → Type) where add : Syntax → MessageData → m (Syntax × MessageData)
instance (m : Type → Type) [AddMessageContext m] [Monad m] : AddErrorMessageContext m where
  add ref msg := do return (ref, ← addMessageContext msg)
class MonadError (m : Type → Type) extends MonadExceptOf Exception m, MonadRef m, AddErrorMessageContext m
instance [MonadExceptOf Exception m] [MonadRef m] [AddErrorMessageContext m] : MonadError m where
section
variable {m : Type → Type} [Monad m] [MonadRef m] [AddMessageContext m] [MonadExcept Exception m]
protected def bedThrow {α : Type} (ref? : Option Syntax) (msg : MessageData) : m α := do
  let ref := replaceRef (ref?.getD .missing) (← getRef)
  let msg ← addMessageContext msg
  throw (Exception.error ref msg)
@[inline] protected def «throwError» {α : Type} (msg : MessageData) : m α := Lean.bedThrow none msg
@[inline] protected def «throwErrorAt» {α : Type} (ref : Syntax) (msg : MessageData) : m α := Lean.bedThrow (some ref) msg
end
syntax (name := Lean.Parser.Term.throwErrorBed) "throwError " (interpolatedStr(term) <|> term) : term
syntax (name := Lean.Parser.Term.throwErrorAtBed) "throwErrorAt " term:max ppSpace (interpolatedStr(term) <|> term) : term
macro_rules
  | `(throwError $msg:interpolatedStr) => `(Lean.throwError (m! $msg))
  | `(throwError $msg:term) => `(Lean.throwError $msg)
macro_rules
  | `(throwErrorAt $ref $msg:interpolatedStr) => `(Lean.throwErrorAt $ref (m! $msg))
  | `(throwErrorAt $ref $msg:term) => `(Lean.throwErrorAt $ref $msg)
/- syntax helpers -/
@[extern "l_Lean_TSyntax_getString"] opaque TSyntax.getString (s : StrLit) : String
@[extern "l_Lean_TSyntax_getNat"] opaque TSyntax.getNat (s : NumLit) : Nat
@[inline] def TSyntax.getId (s : Ident) : Name := s.raw.getId
@[extern "l_Lean_mkIdent"] opaque mkIdent (val : Name) : Ident
@[extern "l_Lean_Syntax_mkStrLit"] opaque Syntax.mkStrLit (val : String) (info := SourceInfo.none) : StrLit
@[extern "l_Lean_Environment_contains"] opaque Environment.contains (env : Environment) (n : Name) (skipRealize := true) : Bool
/- Meta / PrettyPrinter / Parser -/
namespace Meta
@[extern "l_Lean_Meta_ppGoal"] opaque ppGoal (mvarId : MVarId) : MetaM Format := bedSorry
@[extern "l_Lean_Meta_ppExpr"] opaque ppExpr (e : Expr) : MetaM Format := bedSorry
@[extern "lean_infer_type"] opaque inferType : Expr → MetaM Expr := bedSorry
@[extern "lean_whnf"] opaque whnf : Expr → MetaM Expr := bedSorry
@[extern "l_Lean_Meta_isDefEq"] opaque isDefEq (t s : Expr) : MetaM Bool := bedSorry
end Meta
namespace PrettyPrinter
@[extern "l_Lean_PrettyPrinter_ppExpr"] opaque ppExpr (e : Expr) : MetaM Format := bedSorry
@[extern "l_Lean_PrettyPrinter_ppTactic"] opaque ppTactic (stx : TSyntax `tactic) : CoreM Format := bedSorry
end PrettyPrinter
@[extern "l_Lean_MVarId_getType"] opaque MVarId.getType (mvarId : MVarId) : MetaM Expr := bedSorry
@[extern "l_Lean_MVarId_getTag"] opaque MVarId.getTag (mvarId : MVarId) : MetaM Name := bedSorry
namespace Parser
@[extern "l_Lean_Parser_runParserCategory"] opaque runParserCategory (env : Environment) (catName : Name) (input : String) (fileName := "<input>") : Except String Syntax
end Parser
namespace Elab
@[extern "l_Lean_Elab_throwUnsupportedSyntax"] opaque throwUnsupportedSyntax {m : Type → Type} {α : Type} [MonadExceptOf Exception m] : m α := bedSorry
@[extern "l_Lean_Elab_goalsToMessageData"] opaque goalsToMessageData (goals : List MVarId) : MessageData
namespace Term
@[extern "l_Lean_Elab_Term_elabTerm"] opaque elabTerm (stx : Syntax) (expectedType? : Option Expr) (catchExPostpone := true) (implicitLambda := true) : TermElabM Expr := bedSorry
end Term
namespace Tactic
@[extern "l_Lean_Elab_Tactic_getGoals"] opaque getGoals : TacticM (List MVarId) := bedSorry
@[extern "l_Lean_Elab_Tactic_setGoals"] opaque setGoals (mvarIds : List MVarId) : TacticM Unit := bedSorry
@[extern "l_Lean_Elab_Tactic_getUnsolvedGoals"] opaque getUnsolvedGoals : TacticM (List MVarId) := bedSorry
@[extern "l_Lean_Elab_Tactic_getMainGoal"] opaque getMainGoal : TacticM MVarId := bedSorry
@[extern "l_Lean_Elab_Tactic_getMainTarget"] opaque getMainTarget : TacticM Expr := bedSorry
@[extern "l_Lean_Elab_Tactic_withMainContext"] opaque withMainContext {α : Type} (x : TacticM α) : TacticM α := bedSorry
@[extern "l_Lean_Elab_Tactic_evalTactic"] opaque evalTactic (stx : Syntax) : TacticM Unit := bedSorry
@[extern "l_Lean_Elab_Tactic_withoutRecover"] opaque withoutRecover {α : Type} (x : TacticM α) : TacticM α := bedSorry
@[extern "l_Lean_Elab_Tactic_done"] opaque done : TacticM Unit := bedSorry
@[extern "l_Lean_Elab_Tactic_focus"] opaque focus {α : Type} (x : TacticM α) : TacticM α := bedSorry
@[extern "l_Lean_Elab_Tactic_saveState"] protected opaque saveState : TacticM SavedState := bedSorry
@[extern "l_Lean_Elab_Tactic_SavedState_restore"] opaque SavedState.restore (b : SavedState) (restoreInfo := false) : TacticM Unit := bedSorry
@[extern "l_Lean_Elab_Tactic_run"] opaque run (mvarId : MVarId) (x : TacticM Unit) : TermElabM (List MVarId) := bedSorry
@[extern "l_Lean_Elab_Tactic_liftMetaTactic"] opaque liftMetaTactic (tactic : MVarId → MetaM (List MVarId)) : TacticM Unit := bedSorry
end Tactic
end Elab
export Elab (CommandElabM TermElabM)
class MonadBacktrack (s : outParam Type) (m : Type → Type) where
  saveState : m s
  restoreState : s → m Unit
export MonadBacktrack (saveState restoreState)
@[extern "l_Lean_Elab_Tactic_instMonadBacktrackSavedStateTacticM"] opaque Elab.Tactic.instMonadBacktrackSavedStateTacticM : MonadBacktrack Elab.Tactic.SavedState Elab.Tactic.TacticM := bedSorry
attribute [instance] Elab.Tactic.instMonadBacktrackSavedStateTacticM
/- options -/
inductive DataValue where
  | ofString (v : String)
  | ofBool (v : Bool)
  | ofName (v : Name)
  | ofNat (v : Nat)
  | ofInt (v : Int)
  | ofSyntax (v : Syntax)
class KVMap.Value (α : Type) where
  toDataValue : α → DataValue
  ofDataValue? : DataValue → Option α
instance : KVMap.Value Bool := ⟨.ofBool, fun | .ofBool v => some v | _ => none⟩
instance : KVMap.Value Nat := ⟨.ofNat, fun | .ofNat v => some v | _ => none⟩
instance : KVMap.Value String := ⟨.ofString, fun | .ofString v => some v | _ => none⟩
structure OptionDeprecation where
  since : String
  text? : _root_.Option String := none
  newName? : _root_.Option Name := none
protected structure Option (α : Type) where
  name : Name
  defValue : α
instance [Inhabited α] : Inhabited (Lean.Option α) := ⟨⟨.anonymous, default⟩⟩
protected structure Option.Decl (α : Type) where
  defValue : α
  descr : String := ""
  deprecation? : _root_.Option OptionDeprecation := none
@[extern "l_Lean_Option_get"] protected opaque Option.get {α : Type} [KVMap.Value α] (opts : Options) (opt : Lean.Option α) : α := opt.defValue
@[extern "l_Lean_Option_register"] protected opaque Option.register {α : Type} [KVMap.Value α] (name : Name) (decl : Lean.Option.Decl α) (ref : Name := .anonymous) : IO (Lean.Option α) := bedSorry
end Lean
namespace Lean
def bedNameOfString (s : String) : Name := (s.splitOn ".").foldl (fun n c => Name.str n c) .anonymous
/-- (The real macro supports all declaration modifiers and `@[deprecated]`.) -/
macro (name := Option.registerOption) mods:declModifiers "register_option" name:ident " : " type:term " := " decl:term : command => do
  let n := Syntax.mkStrLit (toString name.getId)
  `($mods:declModifiers initialize $name : Lean.Option $type ← Lean.Option.register (Lean.bedNameOfString $n) $decl)
/- monad control, contexts -/
end Lean
class MonadControl (m : semiOutParam (Type u → Type v)) (n : Type u → Type w) where
  stM : Type u → Type u
  liftWith : {α : Type u} → (({β : Type u} → n β → m (stM β)) → m α) → n α
  restoreM : {α : Type u} → m (stM α) → n α
class MonadControlT (m : Type u → Type v) (n : Type u → Type w) where
  stM : Type u → Type u
  liftWith : {α : Type u} → (({β : Type u} → n β → m (stM β)) → m α) → n α
  restoreM {α : Type u} : stM α → n α
export MonadControlT (stM liftWith restoreM)
@[always_inline] instance (m n o) [MonadControl n o] [MonadControlT m n] : MonadControlT m o where
  stM α := stM m n (MonadControl.stM n o α)
  liftWith f := MonadControl.liftWith fun x₂ => liftWith fun x₁ => f (x₁ ∘ x₂)
  restoreM := MonadControl.restoreM ∘ restoreM
instance (m : Type u → Type v) [Pure m] : MonadControlT m m where
  stM α := α
  liftWith f := f fun x => x
  restoreM x := pure x
@[always_inline] instance : MonadControl m (ReaderT ρ m) where
  stM := id
  liftWith f ctx := f fun x => x ctx
  restoreM x _ := x
@[always_inline] instance : MonadControl m (StateRefT' ω σ m) where
  stM := id
  liftWith f ctx := f fun x => x ctx
  restoreM x _ := x
namespace Lean
@[extern "l_Lean_MVarId_withContext"] opaque MVarId.withContext {n : Type → Type} [MonadControlT MetaM n] [Monad n] {α : Type} (mvarId : MVarId) (x : n α) : n α := bedSorry
/- commands -/
namespace Elab.Command
@[extern "l_Lean_Elab_Command_instMonadCommandElabM"] opaque instMonadCommandElabM : Monad CommandElabM := bedSorry
@[extern "l_Lean_Elab_Command_instMonadExceptOfExceptionCommandElabM"] opaque instMonadExceptOfExceptionCommandElabM : MonadExceptOf Exception CommandElabM := bedSorry
@[extern "l_Lean_Elab_Command_instMonadEnvCommandElabM"] opaque instMonadEnvCommandElabM : MonadEnv CommandElabM := bedSorry
@[extern "l_Lean_Elab_Command_instMonadLogCommandElabM"] opaque instMonadLogCommandElabM : MonadLog CommandElabM := bedSorry
@[extern "l_Lean_Elab_Command_instMonadOptionsCommandElabM"] opaque instMonadOptionsCommandElabM : MonadOptions CommandElabM := bedSorry
@[extern "l_Lean_Elab_Command_instMonadRefCommandElabM"] opaque instMonadRefCommandElabM : MonadRef CommandElabM := bedSorry
@[extern "l_Lean_Elab_Command_instMonadQuotationCommandElabM"] opaque instMonadQuotationCommandElabM : MonadQuotation CommandElabM := bedSorry
@[extern "l_Lean_Elab_Command_instAddMessageContextCommandElabM"] opaque instAddMessageContextCommandElabM : AddMessageContext CommandElabM := bedSorry
@[extern "l_Lean_Elab_Command_instMonadLiftTIOCommandElabM"] opaque instMonadLiftTIOCommandElabM : MonadLiftT IO CommandElabM := bedSorry
attribute [instance] instMonadCommandElabM instMonadExceptOfExceptionCommandElabM instMonadEnvCommandElabM instMonadLogCommandElabM instMonadOptionsCommandElabM instMonadRefCommandElabM instMonadQuotationCommandElabM instAddMessageContextCommandElabM instMonadLiftTIOCommandElabM
@[extern "l_Lean_Elab_Command_liftTermElabM"] opaque liftTermElabM {α : Type} (x : TermElabM α) : CommandElabM α := bedSorry
end Elab.Command
structure MetavarContext where
  bedVal : bedOpaque.type
instance : Nonempty MetavarContext := bedTrust
class MonadMCtx (m : Type → Type) where
  getMCtx : m MetavarContext
  modifyMCtx : (MetavarContext → MetavarContext) → m Unit
export MonadMCtx (getMCtx modifyMCtx)
instance (m n) [MonadLift m n] [MonadMCtx m] : MonadMCtx n where
  getMCtx := liftM (getMCtx : m _)
  modifyMCtx := fun f => liftM (modifyMCtx f : m _)
@[extern "l_Lean_Meta_instMonadMCtxMetaM"] opaque Meta.instMonadMCtxMetaM : MonadMCtx MetaM := bedSorry
attribute [instance] Meta.instMonadMCtxMetaM
@[extern "l_Lean_instantiateMVars"] opaque instantiateMVars {m : Type → Type} [Monad m] [MonadMCtx m] (e : Expr) : m Expr := bedSorry
@[extern "l_Lean_Expr_hasSorry"] opaque Expr.hasSorry (e : Expr) : Bool
@[extern "l_Lean_Expr_hasSyntheticSorry"] opaque Expr.hasSyntheticSorry (e : Expr) : Bool
@[extern "l_Lean_Expr_hasExprMVar"] opaque Expr.hasExprMVar (e : Expr) : Bool
@[extern "l_Lean_mkMVar"] opaque mkMVar (mvarId : MVarId) : Expr
@[extern "l_Lean_MessageLog_hasErrors"] opaque MessageLog.hasErrors (log : MessageLog) : Bool
@[extern "l_Lean_Core_getMessageLog"] opaque Core.getMessageLog : CoreM MessageLog := bedSorry
@[extern "l_Lean_Core_setMessageLog"] opaque Core.setMessageLog (messages : MessageLog) : CoreM Unit := bedSorry
@[extern "l_Lean_Core_resetMessageLog"] opaque Core.resetMessageLog : CoreM Unit := bedSorry
@[extern "l_Lean_Core_checkInterrupted"] opaque Core.checkInterrupted : CoreM Unit := bedSorry
@[extern "l_Lean_Elab_Tactic_tryTactic_x3f"] opaque Elab.Tactic.tryTactic? {α : Type} (tactic : Elab.Tactic.TacticM α) : Elab.Tactic.TacticM (Option α) := bedSorry
@[extern "l_Lean_Elab_Term_synthesizeSyntheticMVarsNoPostponing"] opaque Elab.Term.synthesizeSyntheticMVarsNoPostponing (ignoreStuckTC := false) : TermElabM Unit := bedSorry
@[extern "l_Lean_FileMap_toPosition"] opaque FileMap.toPosition (fmap : FileMap) (pos : String.Pos.Raw) : Position
class MonadLCtx (m : Type → Type) where
  getLCtx : m LocalContext
export MonadLCtx (getLCtx)
instance (m n) [MonadLift m n] [MonadLCtx m] : MonadLCtx n where
  getLCtx := liftM (getLCtx : m _)
@[extern "l_Lean_Meta_instMonadLCtxMetaM"] opaque Meta.instMonadLCtxMetaM : MonadLCtx MetaM := bedSorry
attribute [instance] Meta.instMonadLCtxMetaM
@[extern "l_Lean_LocalContext_getFVarIds"] opaque LocalContext.getFVarIds (lctx : LocalContext) : Array FVarId
structure LocalDecl where
  bedVal : bedOpaque.type
instance : Nonempty LocalDecl := bedTrust
@[extern "l_Lean_LocalDecl_userName"] opaque LocalDecl.userName (d : LocalDecl) : Name
@[extern "l_Lean_LocalDecl_isImplementationDetail"] opaque LocalDecl.isImplementationDetail (d : LocalDecl) : Bool
@[extern "l_Lean_FVarId_getUserName"] opaque FVarId.getUserName (fvarId : FVarId) : MetaM Name := bedSorry
@[extern "l_Lean_FVarId_getType"] opaque FVarId.getType (fvarId : FVarId) : MetaM Expr := bedSorry
@[extern "l_Lean_FVarId_getDecl"] opaque FVarId.getDecl (fvarId : FVarId) : MetaM LocalDecl := bedSorry
@[extern "l_Lean_Expr_getAppFn"] opaque Expr.getAppFn (e : Expr) : Expr
@[extern "l_Lean_Expr_getAppArgs"] opaque Expr.getAppArgs (e : Expr) : Array Expr
@[extern "l_Lean_Expr_constName_x3f"] opaque Expr.constName? (e : Expr) : Option Name
@[extern "l_Lean_Expr_isAppOf"] opaque Expr.isAppOf (e : Expr) (n : Name) : Bool
@[extern "l_Lean_Expr_isConstOf"] opaque Expr.isConstOf (e : Expr) (n : Name) : Bool
@[extern "l_Lean_Expr_isForall"] opaque Expr.isForall (e : Expr) : Bool
@[extern "l_Lean_Meta_mkAppM"] opaque Meta.mkAppM (constName : Name) (xs : Array Expr) : MetaM Expr := bedSorry
@[extern "l_Lean_Meta_isProp"] opaque Meta.isProp (e : Expr) : MetaM Bool := bedSorry
@[extern "l_Lean_MVarId_assign"] opaque MVarId.assign {m : Type → Type} [MonadMCtx m] (mvarId : MVarId) (val : Expr) : m Unit := bedSorry
@[extern "l_Lean_Elab_Tactic_elabTerm"] opaque Elab.Tactic.elabTerm (stx : Syntax) (expectedType? : Option Expr) (mayPostpone := false) : Elab.Tactic.TacticM Expr := bedSorry
@[extern "l_Lean_Elab_Tactic_elabTermEnsuringType"] opaque Elab.Tactic.elabTermEnsuringType (stx : Syntax) (expectedType? : Option Expr) (mayPostpone := false) : Elab.Tactic.TacticM Expr := bedSorry
instance : ToMessageData LocalDecl := ⟨fun d => .ofName d.userName⟩
/- Try this -/
namespace Meta.Hint
inductive DiffGranularity where
  | auto | char | word | all | none
end Meta.Hint
namespace Meta.Tactic.TryThis
inductive SuggestionText where
  | tsyntax {kind : SyntaxNodeKind} : TSyntax kind → SuggestionText
  | string : String → SuggestionText
instance : Inhabited SuggestionText := ⟨.string ""⟩
instance {kind : SyntaxNodeKind} : CoeHead (TSyntax kind) SuggestionText where coe := .tsyntax
instance : Coe String SuggestionText where coe := .string
def SuggestionStyle := Json
structure Suggestion where
  suggestion : SuggestionText
  preInfo? : Option String := none
  postInfo? : Option String := none
  style? : Option SuggestionStyle := none
  messageData? : Option MessageData := none
  toCodeActionTitle? : Option (String → String) := none
instance : Inhabited Suggestion := ⟨{ suggestion := default }⟩
instance : Coe SuggestionText Suggestion where coe t := { suggestion := t }
@[extern "l_Lean_Meta_Tactic_TryThis_addSuggestion"] opaque addSuggestion (ref : Syntax) (s : Suggestion)
    (origSpan? : Option Syntax := none) (header : String := "Try this:") (codeActionPrefix? : Option String := none)
    (diffGranularity : Hint.DiffGranularity := .none) (footer : MessageData := .nil) : CoreM Unit := bedSorry
@[extern "l_Lean_Meta_Tactic_TryThis_addSuggestions"] opaque addSuggestions (ref : Syntax) (suggestions : Array Suggestion)
    (origSpan? : Option Syntax := none) (header : String := "Try these:") (style? : Option SuggestionStyle := none)
    (codeActionPrefix? : Option String := none) (diffGranularity : Hint.DiffGranularity := .none)
    (footer : MessageData := .nil) : CoreM Unit := bedSorry
end Meta.Tactic.TryThis
end Lean
