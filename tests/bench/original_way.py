"""The way of the original llmstep (2023) with other weights: an HTTP server around `generate`.

`python original_way.py FOLDER` serves a Hugging Face folder: POST {tactic_state, prefix} gives
{suggestions}, GET gives the seconds of each `generate`; it prints its port when it is ready.
Temperature 0.5, at most 128 new tokens, and `[GOAL]state[PROOFSTEP]prefix` as the prompt are those
of the original's `server.py`; an encoder-decoder model gets state and prefix as they are, as in its
`server_encdec.py`.
"""

from __future__ import annotations

import argparse
import json
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--candidates", type=int, default=CANDIDATES)
    parser.add_argument("--tokens", type=int, default=128, help="most new tokens")
    parser.add_argument("--forced", action="store_true", help="exactly as many, without an end")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--begin", default="", help="begin-of-text token, written before a prompt")
    options = parser.parse_args()

    import torch
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForSeq2SeqLM,
        AutoTokenizer,
    )

    tokenizer = AutoTokenizer.from_pretrained(options.folder)
    two_sided = AutoConfig.from_pretrained(options.folder).is_encoder_decoder
    factory = AutoModelForSeq2SeqLM if two_sided else AutoModelForCausalLM
    model = factory.from_pretrained(options.folder, dtype=getattr(torch, options.dtype)).eval()

    def generate(goal: str, prefix: str) -> list[str]:
        text = goal + prefix if two_sided else f"{options.begin}[GOAL]{goal}[PROOFSTEP]{prefix}"
        prompt = tokenizer(text, return_tensors="pt")
        ids = prompt["input_ids"]
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids,
                attention_mask=prompt["attention_mask"],
                max_new_tokens=options.tokens,
                min_new_tokens=options.tokens if options.forced else None,
                do_sample=True,
                temperature=0.5,
                pad_token_id=tokenizer.eos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                num_return_sequences=options.candidates,
            )
        start = 0 if two_sided else ids.shape[1]
        texts = tokenizer.batch_decode(out[:, start:], skip_special_tokens=True)
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
    main()
