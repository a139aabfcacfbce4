prelude
import Init.Server
