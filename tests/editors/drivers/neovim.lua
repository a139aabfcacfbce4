-- What the driver asks of Neovim. Keys come from outside; nothing here writes to the buffer.
Driver = {}

function Driver.set_up(lean)
  vim.o.completeopt = 'menu,menuone'
  vim.o.hidden = true
  vim.lsp.config('leanls', {
    cmd = { lean },
    filetypes = { 'lean' },
    root_markers = { 'lean-toolchain', 'lakefile.toml', 'lakefile.lean' },
  })
  vim.api.nvim_create_autocmd('LspAttach', {
    callback = function(event)
      vim.lsp.completion.enable(true, event.data.client_id, event.buf)
    end,
  })
end

-- Which of both servers the next file gets.
function Driver.choose(names)
  local wanted = {}
  for _, name in ipairs(names) do
    wanted[name == 'lean' and 'leanls' or name] = true
  end
  for _, name in ipairs({ 'leanls', 'llmstep' }) do
    vim.lsp.enable(name, wanted[name] or false)
  end
end

function Driver.attached()
  local count = 0
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = 0 })) do
    count = count + (client.initialized and 1 or 0)
  end
  return count
end

local function line_text()
  return vim.api.nvim_get_current_line()
end

function Driver.move(line, column)
  local text = vim.api.nvim_buf_get_lines(0, line, line + 1, true)[1]
  local byte = vim.str_byteindex(text, 'utf-32', column)
  -- In normal mode the cursor cannot stand behind the last character.
  Driver.behind = byte >= #text
  vim.api.nvim_win_set_cursor(0, { line + 1, byte })
end

function Driver.insert_key()
  return Driver.behind and 'A' or 'i'
end

function Driver.before()
  return line_text():sub(1, vim.fn.col('.') - 1)
end

function Driver.text()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), '\n') .. '\n'
end

function Driver.messages()
  return vim.tbl_map(function(d)
    return d.message
  end, vim.diagnostic.get(0))
end

function Driver.settle()
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'leanls' })[1]
  local params = {
    uri = vim.uri_from_bufnr(0),
    version = vim.lsp.util.buf_versions[vim.api.nvim_get_current_buf()],
  }
  assert(client:request_sync('textDocument/waitForDiagnostics', params, 120000))
end

function Driver.menu()
  local info = vim.fn.complete_info({ 'pum_visible', 'items' })
  if info.pum_visible == 0 then
    return nil
  end
  return vim.tbl_map(function(item)
    return item.abbr ~= '' and item.abbr or item.word
  end, info.items)
end

-- Whether the entry, counted from zero, is a snippet: it is expanded a moment after it was taken.
function Driver.is_snippet(entry)
  local item = vim.fn.complete_info({ 'items' }).items[entry + 1]
  local server = vim.tbl_get(item, 'user_data', 'nvim', 'lsp', 'completion_item') or {}
  return server.insertTextFormat == vim.lsp.protocol.InsertTextFormat.Snippet
end

function Driver.in_snippet()
  return vim.snippet.active()
end

local function offer(choose)
  local select, done = vim.ui.select, false
  local titles = {}
  vim.ui.select = function(items, options, on_choice)
    local chosen
    for _, item in ipairs(items) do
      local title = item.action.title
      titles[#titles + 1] = title
      chosen = chosen or (choose and vim.startswith(title, choose) and item) or nil
    end
    done = true
    on_choice(chosen)
  end
  local notify = vim.notify
  -- What the user is told in place of a list: there are none, or no server has any.
  vim.notify = function()
    done = true
  end
  vim.lsp.buf.code_action()
  vim.wait(120000, function()
    return done
  end, 10)
  vim.ui.select, vim.notify = select, notify
  return titles
end

function Driver.list_actions()
  return offer(nil)
end

function Driver.take_action(title)
  return offer(title)
end

function Driver.announces(path)
  local here = vim.lsp.protocol.make_client_capabilities()
  for _, name in ipairs(path) do
    here = type(here) == 'table' and here[name] or nil
  end
  return here ~= nil
end

function Driver.prepare_screen()
  vim.o.laststatus, vim.o.ruler, vim.o.signcolumn = 0, false, 'no'
  vim.diagnostic.config({
    underline = false,
    signs = false,
    virtual_lines = { severity = vim.diagnostic.severity.INFO },
  })
end

function Driver.read_screen(columns, rows)
  local screen = {}
  -- The last line is Neovim's own.
  for row = 1, rows - 1 do
    screen[row] = {}
    for column = 1, columns do
      local attributes = vim.api.nvim__inspect_cell(1, row - 1, column - 1)[2] or {}
      screen[row][column] = {
        vim.fn.screenstring(row, column),
        attributes.foreground or vim.NIL,
      }
    end
  end
  return screen
end
