"""The way of the original llmstep (2023) with other weights: an HTTP server around `generate`.

`python original_way.py FOLDER` serves a Hugging Face folder: POST {tactic_state, prefix} gives
{suggestions}, GET gives the seconds of each `generate`; it prints its port when it is ready.
Temperature 0.5, at most 128 new tokens, and `[GOAL]state[PROOFSTEP]prefix` as the prompt are the
original's own.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

# The original's tactic starts one Python process per call; this is that process. The original
# imports `requests`, which takes longer than urllib.
CLIENT = """
import json, sys, urllib.request
url, goal, prefix = sys.argv[1:]
data = json.dumps({"tactic_state": goal, "prefix": prefix, "context": ""}).encode()
request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
print("[SUGGESTION]".join(json.load(urllib.request.urlopen(request))["suggestions"]))
"""
CANDIDATES = 8


def main(folder: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def generate(goal: str, prefix: str) -> list[str]:
        prompt = tokenizer(f"<s>[GOAL]{goal}[PROOFSTEP]{prefix}", return_tensors="pt")
        ids = prompt["input_ids"]
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids,
                attention_mask=prompt["attention_mask"],
                max_new_tokens=128,
                do_sample=True,
                temperature=0.5,
                pad_token_id=tokenizer.eos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                num_return_sequences=CANDIDATES,
            )
        texts = tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)
        return list({prefix + text for text in texts})

    spent: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            question = json.loads(self.rfile.read(length))
            begin = time.perf_counter()
            answer = generate(question["tactic_state"], question["prefix"])
            spent.append(time.perf_counter() - begin)
            self.reply({"suggestions": answer})

        def do_GET(self) -> None:
            self.reply(spent)

        def reply(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
