;;; emacs_eglot.el --- what the driver asks of eglot  -*- lexical-binding: t -*-

;;; Code:

(require 'eglot nil t)

(defvar llmstep-driver--programs nil "Which program each server is.")
(defvar llmstep-driver--chosen nil "The server of this buffer.")

(defun llmstep-driver-ready ()
  "Whether eglot is there."
  (llmstep-driver--truth (featurep 'eglot)))

(defun llmstep-driver-version ()
  "Versions."
  (format "%s, eglot %s" emacs-version (llmstep-driver--client-version "eglot")))

(defun llmstep-driver-set-up (lean)
  "The servers: LEAN's, and the sidecar."
  (setq llmstep-driver--programs `(("lean" ,lean) ("llmstep" "llmstep" "serve"))
        ;; By itself it comes back only if it has run for some seconds; the tests ask for it.
        eglot-autoreconnect nil
        eglot-connect-timeout 120
        eglot-sync-connect 120)
  t)

(defun llmstep-driver-open (file servers)
  "Open FILE with the only one of SERVERS."
  (find-file file)
  (revert-buffer t t t)
  (unless (eq major-mode 'lean4-mode) (lean4-mode))
  (when (eglot-current-server) (eglot-shutdown (eglot-current-server)))
  (setq llmstep-driver--chosen (cdr (assoc (car servers) llmstep-driver--programs)))
  (llmstep-driver-restart-server)
  t)

(defun llmstep-driver-restart-server ()
  "What \\[eglot] does."
  (unless (eglot-current-server)
    (setq eglot-server-programs `((lean4-mode . ,llmstep-driver--chosen)))
    (apply #'eglot (eglot--guess-contact)))
  t)

(defun llmstep-driver-attached ()
  "How many servers this buffer has."
  (if (and (eglot-current-server) (jsonrpc-running-p (eglot-current-server))) 1 0))

(defun llmstep-driver-messages ()
  "What flymake shows."
  (vconcat (mapcar #'flymake-diagnostic-text (flymake-diagnostics))))

(defun llmstep-driver-settle ()
  "Wait until Lean is through."
  (eglot--signal-textDocument/didChange)
  (jsonrpc-request (eglot-current-server) :textDocument/waitForDiagnostics
                   (let ((id (eglot--VersionedTextDocumentIdentifier)))
                     (list :uri (plist-get id :uri) :version (plist-get id :version)))
                   :timeout 120)
  t)

(defun llmstep-driver-list-actions ()
  "Titles of the actions at the cursor."
  (llmstep-driver-take-action nil))

(defun llmstep-driver-take-action (title)
  "Take the action that begins with TITLE."
  (llmstep-driver--offer (lambda () (eglot-code-actions (point) (point) nil t)) title))

(defun llmstep-driver-announces (path)
  "Whether the client's capabilities have PATH."
  (let ((here (eglot-client-capabilities (eglot-current-server))))
    (dolist (name path) (setq here (plist-get here (intern (concat ":" name)))))
    (llmstep-driver--truth here)))

(provide 'emacs_eglot)
;;; emacs_eglot.el ends here
