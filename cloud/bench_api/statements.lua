-- sysbench: statements that our API was seen to send, by as many connections, with nobody before MariaDB.
-- bench_api.py writes the file STATEMENTS, which returns a list of {text, {parameter...}}. A parameter is a
-- number, a text, or {name} for what must differ each time.
local statements = dofile(os.getenv("STATEMENTS"))

local function hex(count)
    return (string.rep("@", count):gsub("@", function() return ("%x"):format(math.random(0, 15)) end))
end
local fresh = {
    uuid = function() return ("%s-%s-%s-%s-%s"):format(hex(8), hex(4), hex(4), hex(4), hex(12)) end,
    digest = function() return hex(64) end,
}

local function prepared(connection, text, parameters)
    local statement, bound = connection:prepare(text), {}
    for i, parameter in ipairs(parameters) do
        if type(parameter) == "number" or parameter[1] == "newest" then
            bound[i] = statement:bind_create(sysbench.sql.type.BIGINT)
        else
            bound[i] = statement:bind_create(sysbench.sql.type.VARCHAR, 1000)
        end
    end
    if #bound > 0 then statement:bind_param(unpack(bound)) end
    -- The library crashes when the answer to an INSERT is freed; it has none.
    return {run = statement, bound = bound, parameters = parameters, answers = text:find("^SELECT")}
end

function thread_init()
    math.randomseed(tonumber(os.getenv("SERIES")) * 100 + sysbench.tid)
    connection, steps, begun = sysbench.sql.driver():connect(), {}, 0
    connection:query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    -- Ours looks only at rows younger than the last it knows; from an older one on it would be a long look.
    newest = tonumber(connection:query_row("SELECT MAX(id) FROM notifications"))
    for i, s in ipairs(statements) do
        local plain = s[1] == "BEGIN" or s[1] == "COMMIT"
        steps[i] = plain and s[1] or prepared(connection, s[1], s[2])
    end
end

function event()
    local now = {}
    begun = begun + 1
    for _, step in ipairs(steps) do
        if type(step) == "string" then
            connection:query(step)
        else
            for i, parameter in ipairs(step.parameters) do
                if type(parameter) ~= "table" then
                    step.bound[i]:set(parameter)
                elseif parameter[1] == "newest" then
                    -- All threads write about as fast: where the table ends by now, about.
                    step.bound[i]:set(newest + begun * sysbench.opt.threads)
                else
                    local name = parameter[1]
                    now[name] = now[name] or fresh[name]()
                    step.bound[i]:set(now[name])
                end
            end
            local found = step.run:execute()
            if step.answers then found:free() end
        end
    end
end

function thread_done() connection:disconnect() end
