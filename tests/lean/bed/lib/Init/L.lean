prelude
import Init.K
set_option linter.all false
set_option autoImplicit true
universe u v w
/- what the LLMstep package needs beyond A..K; sources in tests/lean/API.md -/
@[extern "l_Char_isUpper"] opaque Char.isUpper (c : Char) : Bool
@[extern "l_Char_toUpper"] opaque Char.toUpper (c : Char) : Char
@[extern "l_System_Platform_isWindows"] opaque System.Platform.isWindows : Bool
@[extern "l_String_trimAsciiEnd"] opaque String.trimAsciiEnd (s : String) : String.Slice
@[extern "l_System_FilePath_isAbsolute"] opaque System.FilePath.isAbsolute (p : System.FilePath) : Bool
@[extern "l_System_Uri_pathToUri"] opaque System.Uri.pathToUri (fname : System.FilePath) : String
@[extern "l_List_getLast_x3f"] opaque List.getLast? {α : Type u} : List α → Option α
@[extern "l_List_takeWhile"] opaque List.takeWhile {α : Type u} (p : α → Bool) : (xs : List α) → List α
@[always_inline, inline] def controlAt (m : Type u → Type v) {n : Type u → Type w} [MonadControlT m n] [Bind n]
    {α : Type u} (f : ({β : Type u} → n β → m (stM m n β)) → m (stM m n α)) : n α :=
  liftWith f >>= restoreM
namespace Lean
@[extern "l_Lean_Name_isSuffixOf"] opaque Name.isSuffixOf (n₁ n₂ : Name) : Bool
@[extern "l_Lean_Syntax_find_x3f"] opaque Syntax.find? (stx : Syntax) (p : Syntax → Bool) : Option Syntax
instance : EmptyCollection NameSet := ⟨NameSet.empty⟩
@[extern "l_Lean_NameSet_insert"] opaque NameSet.insert (s : NameSet) (n : Name) : NameSet
@[extern "l_Lean_NameSet_contains"] opaque NameSet.contains (s : NameSet) (n : Name) : Bool
opaque bedConstantVal : NonemptyType.{0}
/-- constructors in the real order; the payloads are opaque -/
inductive ConstantInfo where
  | axiomInfo (val : bedConstantVal.type)
  | defnInfo (val : bedConstantVal.type)
  | thmInfo (val : bedConstantVal.type)
  | opaqueInfo (val : bedConstantVal.type)
  | quotInfo (val : bedConstantVal.type)
  | inductInfo (val : bedConstantVal.type)
  | ctorInfo (val : bedConstantVal.type)
  | recInfo (val : bedConstantVal.type)
@[extern "l_Lean_ConstantInfo_value_x3f"] opaque ConstantInfo.value? (info : ConstantInfo) (allowOpaque := false) : Option Expr
@[extern "l_Lean_Environment_find_x3f"] opaque Environment.find? (env : Environment) (n : Name) (skipRealize := false) : Option ConstantInfo
structure MetavarDecl where
  bedVal : bedOpaque.type
@[extern "l_Lean_MetavarContext_findDecl_x3f"] opaque MetavarContext.findDecl? (mctx : MetavarContext) (mvarId : MVarId) : Option MetavarDecl
@[extern "l_Lean_Meta_getMVars"] opaque Meta.getMVars (e : Expr) : MetaM (Array MVarId) := bedSorry
end Lean
/- goal keys, traces -/
namespace Lean
@[extern "lean_expr_eqv"] opaque Expr.eqv (a b : @& Expr) : Bool
@[extern "lean_expr_equal"] opaque Expr.equal (a b : @& Expr) : Bool
instance : BEq Expr := ⟨Expr.eqv⟩
@[extern "l_Lean_mkFVar"] opaque mkFVar (fvarId : FVarId) : Expr
@[extern "l_Lean_mkAppN"] opaque mkAppN (f : Expr) (args : Array Expr) : Expr
@[extern "l_Lean_mkNot"] opaque mkNot (p : Expr) : Expr
@[extern "l_Lean_Expr_appFn_x21"] opaque Expr.appFn! (e : Expr) : Expr
@[extern "l_Lean_Expr_appArg_x21"] opaque Expr.appArg! (e : Expr) : Expr
@[extern "l_Lean_Expr_consumeMData"] opaque Expr.consumeMData (e : Expr) : Expr
@[extern "l_Lean_Expr_hasFVar"] opaque Expr.hasFVar (e : Expr) : Bool
@[extern "l_Lean_Expr_isAppOfArity"] opaque Expr.isAppOfArity (e : Expr) (n : Name) (a : Nat) : Bool
@[extern "l_Lean_LocalContext_contains"] opaque LocalContext.contains (lctx : LocalContext) (fvarId : FVarId) : Bool
@[extern "l_Lean_LocalContext_findFromUserName_x3f"] opaque LocalContext.findFromUserName? (lctx : LocalContext) (userName : Name) : Option LocalDecl
@[extern "l_Lean_LocalDecl_value_x3f"] opaque LocalDecl.value? (d : LocalDecl) (allowNondep : Bool := false) : Option Expr
@[extern "l_Lean_Meta_isClass_x3f"] opaque Meta.isClass? (type : Expr) : MetaM (Option Name) := bedSorry
inductive BinderInfo where
  | default | implicit | strictImplicit | instImplicit
instance : Inhabited BinderInfo := ⟨.default⟩
@[extern "l_Lean_Meta_mkForallFVars"] opaque Meta.mkForallFVars (xs : Array Expr) (e : Expr) (usedOnly : Bool := false)
    (usedLetOnly : Bool := true) (generalizeNondepLet := true) (binderInfoForMVars : BinderInfo := .implicit) : MetaM Expr := bedSorry
structure Meta.AbstractMVarsResult where
  paramNames : Array Name
  mvars : Array Expr
  expr : Expr
@[extern "l_Lean_Meta_abstractMVars"] opaque Meta.abstractMVars (e : Expr) (levels : Bool := true) : MetaM Meta.AbstractMVarsResult := bedSorry
@[extern "l_Lean_MVarId_tryClearMany"] opaque MVarId.tryClearMany (goal : MVarId) (fvarIds : Array FVarId) : MetaM MVarId := bedSorry
structure TraceState where
  bedVal : bedOpaque.type
/-- fields in the order of the 4.35 sources -/
class MonadTrace (m : Type → Type) where
  modifyTraceState : (TraceState → TraceState) → m Unit
  getTraceState : m TraceState
  getInheritedTraceOptions : m NameSet
export MonadTrace (getTraceState modifyTraceState)
@[extern "l_Lean_Core_instMonadTraceCoreM"] opaque Core.instMonadTraceCoreM : MonadTrace CoreM := bedSorry
attribute [instance] Core.instMonadTraceCoreM
instance (m n) [MonadLift m n] [MonadTrace m] : MonadTrace n where
  modifyTraceState f := liftM (modifyTraceState f : m _)
  getTraceState := liftM (getTraceState : m _)
  getInheritedTraceOptions := liftM (MonadTrace.getInheritedTraceOptions : m _)
end Lean
def List.bedBeq [BEq α] : List α → List α → Bool
  | .nil, .nil => true
  | .cons a as, .cons b bs => a == b && bedBeq as bs
  | _, _ => false
instance [BEq α] : BEq (Array α) := ⟨fun a b => List.bedBeq a.toList b.toList⟩
def List.bedFindIdx? (p : α → Bool) (i : Nat) : List α → Option Nat
  | .nil => none
  | .cons a as => if p a then some i else bedFindIdx? p (i + 1) as
def Array.findIdx? {α : Type u} (p : α → Bool) (as : Array α) : Option Nat := as.toList.bedFindIdx? p 0
def Option.toArray : Option α → Array α
  | none => #[]
  | some a => #[a]
def List.replicate : (n : Nat) → (a : α) → List α
  | 0, _ => .nil
  | .succ n, a => .cons a (replicate n a)
namespace Lean.Elab.Command
@[extern "l_Lean_Elab_Command_liftCoreM"] opaque liftCoreM {α : Type} (x : CoreM α) : CommandElabM α := bedSorry
structure Linter where
  run : Syntax → CommandElabM Unit
  name : Name
@[extern "l_Lean_Elab_Command_addLinter"] opaque addLinter (l : Linter) : IO Unit
end Lean.Elab.Command
@[extern "l_Lean_MVarId_isAssigned"] opaque Lean.MVarId.isAssigned {m : Type → Type} [Monad m] [Lean.MonadMCtx m] (mvarId : Lean.MVarId) : m Bool := bedSorry
def List.filterM {m : Type → Type u} [Monad m] {α : Type} (p : α → m Bool) (as : List α) : m (List α) := do
  let mut out := []
  for a in as do
    if ← p a then out := a :: out
  return out.reverse
@[extern "l_Lean_Name_isAnonymous"] opaque Lean.Name.isAnonymous : Lean.Name → Bool
instance [BEq α] : BEq (Option α) := ⟨fun
  | some a, some b => a == b
  | none, none => true
  | _, _ => false⟩
instance [BEq α] [BEq β] : BEq (α × β) := ⟨fun a b => a.1 == b.1 && a.2 == b.2⟩
instance : BEq Int := ⟨fun a b => decide (a < b) == false && decide (b < a) == false⟩
namespace Lean
@[extern "l_Lean_Meta_mkSorry"] opaque Meta.mkSorry (type : Expr) (synthetic : Bool) : MetaM Expr := bedSorry
@[extern "l_Lean_mkConst"] opaque mkConst (declName : Name) (us : List Level := []) : Expr
structure ConstantVal where
  name : Name
  levelParams : List Name
  type : Expr
structure TheoremVal extends ConstantVal where
  value : Expr
  all : List Name := [name]
/-- only the constructors up to `thmDecl`, in the real order -/
inductive Declaration where
  | axiomDecl (val : bedConstantVal.type)
  | defnDecl (val : bedConstantVal.type)
  | thmDecl (val : TheoremVal)
@[extern "l_Lean_addDecl"] opaque addDecl (decl : Declaration) (forceExpose : Bool := false) : CoreM Unit := bedSorry
end Lean
@[inline] def List.head! [Inhabited α] : List α → α
  | .cons a _ => a
  | .nil => default
instance [BEq α] : BEq (List α) := ⟨List.bedBeq⟩
namespace Lean
@[extern "l_Lean_Syntax_structEq"] opaque Syntax.structEq : Syntax → Syntax → Bool
@[extern "l_Lean_MessageLog_empty"] opaque MessageLog.empty : MessageLog
instance : EmptyCollection MessageLog := ⟨MessageLog.empty⟩
@[extern "l_Lean_MessageLog_add"] opaque MessageLog.add (msg : Message) (log : MessageLog) : MessageLog
@[extern "l_Lean_MessageLog_markAllReported"] opaque MessageLog.markAllReported (log : MessageLog) : MessageLog
namespace Parser
opaque bedInputContext : NonemptyType.{0}
structure InputContext where
  bedVal : bedInputContext.type
instance : Nonempty InputContext := bedTrust
@[extern "l_Lean_Parser_mkInputContext"] opaque mkInputContext (input fileName : String) (normalizeInput := true)
  (endPos : String.Pos.Raw := ⟨input.utf8ByteSize⟩) (endPos_valid : True := True.intro) : InputContext
structure ParserModuleContext where
  env : Environment
  options : Options
  currNamespace : Name := Name.anonymous
  openDecls : List bedOpaque.type := []
structure ModuleParserState where
  pos : String.Pos.Raw := ⟨0⟩
  recovering : Bool := false
  hasLeading : Bool := true
@[extern "l_Lean_Parser_parseCommand"] opaque parseCommand (inputCtx : InputContext) (pmctx : ParserModuleContext) (mps : ModuleParserState)
  (messages : MessageLog) : Syntax × ModuleParserState × MessageLog := (.missing, mps, messages)
end Parser
end Lean
namespace Lean
structure KeyedDeclsAttribute (γ : Type) where
  bedVal : bedOpaque.type
instance : Nonempty (KeyedDeclsAttribute γ) := bedTrust
@[extern "l_Lean_KeyedDeclsAttribute_getEntries"] opaque KeyedDeclsAttribute.getEntries {γ : Type} (attr : KeyedDeclsAttribute γ) (env : Environment) (key : Name) : List bedOpaque.type
@[extern "l_Lean_Elab_macroAttribute"] opaque Elab.macroAttribute : KeyedDeclsAttribute Macro
end Lean
