"""The one reader of Lean text: tokens, commands, declarations, scope, imports."""
