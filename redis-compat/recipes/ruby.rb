# Plays a caller of the recipe in docs/clients/ruby.md; redis-compat/recipes.rs says what the lines mean.

$stdout.sync = true
require "#{ENV.fetch('RECIPE')}/recipe"

def play(number, key, answers)
  value = cached(Redis.new(url: ENV.fetch("REDIS_URL")), key) do
    puts "computing #{number}\n"
    kind, text = answers.pop
    raise text if kind == "fail"
    kind == "value" ? text : nil
  end
  puts value.nil? ? "got #{number} none" : "got #{number} value #{value}"
rescue RuntimeError => error
  puts "got #{number} error #{error.message}"
end

answers = Hash.new { |hash, number| hash[number] = Queue.new }
while (line = $stdin.gets)
  what, number, rest = line.chomp.split(" ", 3)
  if what == "get"
    Thread.new(answers[number]) { |queue| play(number, rest, queue) }
  else
    answers[number] << [what, rest]
  end
end
