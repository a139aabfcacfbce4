;;; emacs_lsp.el --- what the driver asks of lsp-mode  -*- lexical-binding: t -*-

;;; Code:

(require 'lsp-mode nil t)

(defun llmstep-driver-ready ()
  "Whether lsp-mode is there."
  (llmstep-driver--truth (featurep 'lsp-mode)))

(defun llmstep-driver-version ()
  "Versions."
  (format "%s, lsp-mode %s" emacs-version (llmstep-driver--client-version "lsp-mode")))

(defun llmstep-driver-set-up (lean)
  "Register LEAN's server as lean4-mode does; the sidecar is registered by the page's block."
  (setq lsp-session-file (expand-file-name "lsp-session" "~")
        lsp-auto-guess-root t
        lsp-enable-snippet nil
        lsp-response-timeout 120
        lsp-headerline-breadcrumb-enable nil
        lsp-warn-no-matched-clients nil)
  ;; The user is asked whether a server that ended shall be started again.
  (advice-add 'y-or-n-p :override #'always)
  (add-to-list 'lsp-language-id-configuration '(lean4-mode . "lean"))
  (lsp-register-client
   (make-lsp-client :new-connection (lsp-stdio-connection (list lean))
                    :major-modes '(lean4-mode)
                    :server-id 'lean4-lsp))
  t)

(defun llmstep-driver-open (file servers)
  "Open FILE with SERVERS."
  (find-file file)
  (revert-buffer t t t)
  (setq lsp-enabled-clients
        (mapcar (lambda (name) (if (equal name "lean") 'lean4-lsp (intern name))) servers))
  (lsp-workspace-folders-add (file-name-directory file))
  (unless (eq major-mode 'lean4-mode) (lean4-mode))
  (lsp)
  t)

(defun llmstep-driver-attached ()
  "How many servers this buffer has."
  (cl-count 'initialized (lsp-workspaces) :key #'lsp--workspace-status))

(defun llmstep-driver-messages ()
  "What lsp-mode shows."
  (vconcat (mapcar (lambda (diagnostic) (lsp-get diagnostic :message))
                   (gethash (lsp--fix-path-casing (buffer-file-name)) (lsp-diagnostics t)))))

(defun llmstep-driver-settle ()
  "Wait until Lean is through."
  (lsp-request "textDocument/waitForDiagnostics"
               (list :uri (lsp--buffer-uri) :version lsp--cur-version))
  t)

;; With one action lsp-mode takes it without asking, so that asking cannot list it.
(defun llmstep-driver-list-actions ()
  "Titles of the actions at the cursor; none while no server has any."
  (vconcat (mapcar (lambda (action) (lsp-get action :title))
                   (condition-case problem (lsp-code-actions-at-point)
                     (error (message "no actions: %s" (error-message-string problem)) nil)))))

(defun llmstep-driver-take-action (title)
  "Take the action that begins with TITLE."
  (llmstep-driver--offer (lambda () (call-interactively #'lsp-execute-code-action)) title))

(defun llmstep-driver-announces (path)
  "Whether the client's capabilities have PATH."
  (let ((here (lsp--client-capabilities)))
    (dolist (name path) (setq here (alist-get (intern name) here)))
    (llmstep-driver--truth here)))

(defun llmstep-driver-restart-server ()
  "Nothing: lsp-mode asks, and starts it again."
  t)

(provide 'emacs_lsp)
;;; emacs_lsp.el ends here
