-- For wrk: every connection is made before the first of them makes a request, and then all begin.
--
--     wrk --connections 1000 --script together.lua URL -- 1000 2000
--
-- Some loops accept one connection each time they look at what is ready. Under load that is seldom, so most of
-- a thousand connections would wait for seconds without being served, and those that are would be measured.

local waiting, milliseconds = 0, 0

function init(arguments)
    waiting, milliseconds = tonumber(arguments[1]), tonumber(arguments[2])
end

function delay()
    if waiting == 0 then
        return 0
    end
    waiting = waiting - 1
    return milliseconds
end
