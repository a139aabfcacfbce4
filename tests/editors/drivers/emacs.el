;;; emacs.el --- what the driver asks of Emacs, whichever client it runs  -*- lexical-binding: t -*-

;;; Commentary:
;; A function `llmstep-driver-NAME' answers the question NAME; the client's own file adds to these.

;;; Code:

(require 'cl-lib)
(require 'json)
(require 'package)
(setq make-backup-files nil
      auto-save-default nil
      create-lockfiles nil
      enable-local-variables nil
      package-user-dir (expand-file-name "elpa" "~"))
(package-initialize)

(define-derived-mode lean4-mode prog-mode "Lean 4"
  "A mode with the name of the Lean mode; the clients are told about servers by it."
  (setq-local comment-start "-- "))

(defun llmstep-driver-answer (question answer)
  "Answer the QUESTION, a file with a name and arguments, in the file ANSWER."
  (let* ((json-array-type 'list) (json-false :json-false)
         (call (json-read-file question))
         (function (intern (concat "llmstep-driver-" (car call))))
         (coding-system-for-write 'utf-8-unix)
         (reply (condition-case problem
                    (with-current-buffer (window-buffer (selected-window))
                      `((value . ,(apply function (cdr call)))))
                  ((error quit) `((error . ,(format "%S" problem)))))))
    (with-temp-file answer (insert (json-encode reply)))))

(defun llmstep-driver--truth (value)
  "VALUE as JSON's true or false."
  (if value t :json-false))

(defun llmstep-driver-load (file)
  "Load FILE."
  (llmstep-driver--truth (load file nil t)))

(defun llmstep-driver-move (line column)
  "Put the cursor at LINE and COLUMN."
  (goto-char (point-min))
  (forward-line line)
  (forward-char column)
  t)

(defun llmstep-driver-type (text)
  "Press the keys of TEXT."
  (execute-kbd-macro (vconcat text))
  t)

(defun llmstep-driver-text ()
  "The buffer's text."
  (buffer-substring-no-properties (point-min) (point-max)))

(defun llmstep-driver--capf ()
  "What completion at point offers: beginning, end, candidates, properties."
  (let ((found (run-hook-wrapped 'completion-at-point-functions #'completion--capf-wrapper 'all)))
    (when (consp (cdr-safe found))
      (cl-destructuring-bind (beg end table &rest properties) (cdr found)
        (let* ((typed (buffer-substring-no-properties beg (point)))
               (completion-styles '(basic))
               (candidates (completion-all-completions
                            typed table (plist-get properties :predicate) (length typed)))
               (last (last candidates)))
          (when (consp last) (setcdr last nil))
          (list beg end candidates properties))))))

(defun llmstep-driver-list-completions ()
  "What is offered at the cursor."
  (vconcat (mapcar #'substring-no-properties (nth 2 (llmstep-driver--capf)))))

(defun llmstep-driver-take-completion (label)
  "Take LABEL of what is offered, as a completion front end does."
  (cl-destructuring-bind (beg end candidates properties) (llmstep-driver--capf)
    (let ((chosen (cl-find label candidates :test #'string=))
          (exit (plist-get properties :exit-function)))
      (unless chosen (error "%S is not among %S" label candidates))
      (delete-region beg (max end (point)))
      (insert chosen)
      (when exit (funcall exit chosen 'finished))
      t)))

(defun llmstep-driver--offer (command choose)
  "Call COMMAND, which asks which of several actions to take; CHOOSE one by its beginning.
Returns the titles that were offered."
  (let* (titles
         ;; A key has been pressed, not a menu.
         (last-nonmenu-event ?\r)
         (completing-read-function
          (lambda (_prompt collection &rest _)
            (setq titles (all-completions "" collection))
            (or (and choose (cl-find-if (lambda (title) (string-prefix-p choose title)) titles))
                (signal 'quit nil)))))
    (condition-case problem
        (funcall command)
      (quit nil)
      ;; What the user is told in place of a list: there are none, or no server has any.
      (error (message "no actions: %s" (error-message-string problem))))
    (vconcat (mapcar #'substring-no-properties titles))))

(defun llmstep-driver--client-version (library)
  "Version of the client's LIBRARY, by its file's header."
  (require 'lisp-mnt)
  (with-temp-buffer
    (insert-file-contents (let ((name (locate-library (concat library ".el")))) 
                            (or name (locate-library (concat library ".el.gz")))))
    (or (lm-header "package-version") (lm-header "version") "unknown")))

(provide 'emacs)
;;; emacs.el ends here
