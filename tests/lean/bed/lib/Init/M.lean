prelude
import Init.Server
set_option linter.all false
set_option autoImplicit true
universe u v w
/- what LLMstep/Shape.lean, Search.lean and Prove.lean need; sources in tests/lean/API.md -/
@[extern "l_List_dropWhile"] opaque List.dropWhile {α : Type u} (p : α → Bool) : List α → List α
@[extern "l_List_dropLast"] opaque List.dropLast {α : Type u} : List α → List α
def Array.flatMap {α : Type u} {β : Type v} (f : α → Array β) (as : Array α) : Array β := as.foldl (fun out a => out ++ f a) #[]
@[extern "l_Float_sqrt"] opaque Float.sqrt (x : Float) : Float
namespace Lean
@[extern "l_Lean_Expr_bindingDomain_x21"] opaque Expr.bindingDomain! (e : Expr) : Expr
@[extern "l_Lean_Expr_bindingBody_x21"] opaque Expr.bindingBody! (e : Expr) : Expr
@[extern "l_Lean_Expr_bindingName_x21"] opaque Expr.bindingName! (e : Expr) : Name
@[extern "l_Lean_Expr_isLambda"] opaque Expr.isLambda (e : Expr) : Bool
@[extern "l_Lean_Expr_isConst"] opaque Expr.isConst (e : Expr) : Bool
@[extern "l_Lean_Expr_isProp"] opaque Expr.isProp (e : Expr) : Bool
@[extern "l_Lean_Expr_headBeta"] opaque Expr.headBeta (e : Expr) : Expr
@[extern "l_Lean_Expr_hasLooseBVars"] opaque Expr.hasLooseBVars (e : Expr) : Bool
@[extern "l_Lean_Expr_find_x3f"] opaque Expr.find? (p : Expr → Bool) (e : Expr) : Option Expr
@[extern "l_Lean_mkApp"] opaque mkApp (f a : Expr) : Expr
instance (priority := high) bedInhabitedExpr : Inhabited Expr := ⟨mkNatLit 0⟩
def BinderInfo.isExplicit : BinderInfo → Bool
  | .default => true
  | _ => false
@[extern "l_Lean_Core_CoreM_toIO"] opaque Core.CoreM.toIO {α : Type} (x : CoreM α) (ctx : Core.Context) (s : Core.State) : IO (α × Core.State) := bedSorry
namespace Meta
@[extern "l_Lean_Meta_forallMetaTelescope"] opaque forallMetaTelescope (e : Expr) (kind := MetavarKind.natural) : MetaM (Array Expr × Array BinderInfo × Expr) := bedSorry
@[extern "l_Lean_Meta_withReducible"] opaque withReducible {n : Type → Type} [MonadControlT MetaM n] [Monad n] {α : Type} (x : n α) : n α := bedSorry
end Meta
end Lean
