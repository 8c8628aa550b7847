# Perl's Redis module doing a day's work: `perl redis_perl.pl HOST PORT`. Prints what redis-compat/clients.rs reads.

use strict;
use warnings;
use IO::Select;
use Redis;
use Time::HiRes qw(sleep time);

$| = 1;
my ($host, $port) = @ARGV;

sub connection { Redis->new(server => "$host:$port", @_) }

sub shown { join ', ', map { defined $_ ? (ref $_ eq 'ARRAY' ? '[' . shown(@$_) . ']' : substr($_, 0, 100)) : 'undef' } @_ }

sub equal {
    my ($actual, $expected, $what) = @_;
    my ($left, $right) = (shown(@$actual), shown(@$expected));
    die "$what: $left instead of $right" unless $left eq $right;
}

sub fails {
    my ($call, $text) = @_;
    eval { $call->(); 1 } and die "no error with $text";
    die $@ unless index($@, $text) >= 0;
}

my @checks = (
    strings => sub {
        my $redis = shift;
        equal([$redis->ping, $redis->set('k', 'v'), scalar $redis->get('k'), scalar $redis->get('none')], ['PONG', 'OK', 'v', undef], 'GET');
        equal([scalar $redis->set('k', 'w', 'NX'), $redis->mset(a => 1, b => 2)], [undef, 'OK'], 'SET NX');
        equal([$redis->mget('a', 'none', 'b')], [1, undef, 2], 'MGET');
        equal([$redis->incr('n'), $redis->incrby('n', 5), $redis->decr('n')], [1, 6, 5], 'INCR');
        equal([$redis->append('k', 'x'), $redis->strlen('k'), $redis->getdel('k')], [2, 2, 'vx'], 'APPEND');
        equal([$redis->exists('a'), $redis->exists('none'), $redis->del('a', 'b'), $redis->type('n')], [1, 0, 2, 'string'], 'DEL');
    },
    transaction => sub {
        my $redis = shift;
        $redis->multi;
        $redis->set('k', 1);
        $redis->incr('k');
        $redis->get('none');
        equal([$redis->exec], ['OK', 2, undef], 'EXEC');
        $redis->watch('k');
        connection()->set('k', 'theirs');
        $redis->multi;
        $redis->set('k', 'mine');
        $redis->exec;
        equal([$redis->get('k')], ['theirs'], 'GET after a lost race');
    },
    deep_pipeline => sub {
        my $redis = shift;
        my @seen;
        for my $n (0 .. 499) {
            $redis->set("key:$n", $n, sub { });
            $redis->get("key:$n", sub { push @seen, $_[0] });
        }
        $redis->wait_all_responses;
        equal(\@seen, [0 .. 499], 'replies in order');
    },
    expiry => sub {
        my $redis = shift;
        $redis->setex('k', 100, 'v');
        equal([$redis->ttl('k') >= 99 ? 1 : 0, $redis->persist('k'), $redis->ttl('k')], [1, 1, -1], 'TTL');
        $redis->pexpire('k', 20);
        my $end = time + 10;
        while ($redis->exists('k')) { die 'not expired in time' if time > $end; sleep 0.002 }
        equal([$redis->ttl('k')], [-2], 'TTL of nothing');
    },
    scan => sub {
        my $redis = shift;
        $redis->mset(map { ("key:$_", $_) } 0 .. 999);
        my ($cursor, %seen) = (0);
        do {
            ($cursor, my $keys) = $redis->scan($cursor, COUNT => 50);
            $seen{$_} = 1 for @$keys;
        } while $cursor;
        equal([scalar keys %seen, $redis->dbsize, scalar(my @some = $redis->keys('key:99?'))], [1000, 1000, 10], 'SCAN');
    },
    select_name_and_information => sub {
        my $redis = shift;
        $redis->set('k', 'zero');
        my $other = connection(name => 'worker-7', on_connect => sub { shift->select(5) });
        $other->set('k', 'five');
        equal([$redis->get('k'), $other->get('k'), $other->client_getname], ['zero', 'five', 'worker-7'], 'SELECT');
        equal([$redis->info->{redis_version} =~ /^7\./ ? 1 : 0, $redis->config_get('appendonly')], [1, 'appendonly', 'no'], 'INFO');
    },
    large_and_binary_values => sub {
        my $redis = shift;
        my $value = join('', map { chr } 0 .. 255) x (20 * 4096);
        $redis->set("\0\xff\r\n", $value);
        equal([$redis->get("\0\xff\r\n") eq $value ? 1 : 0], [1], '20 MiB come back whole');
    },
    errors_are_mapped => sub {
        my $redis = shift;
        $redis->set('s', 'text');
        fails(sub { $redis->incr('s') }, 'ERR value is not an integer or out of range');
        fails(sub { $redis->nonsense('a') }, 'ERR unknown command');
        fails(sub { connection(password => 'x') }, 'ERR AUTH <password> called without any password configured');
    },
    reconnects_after_kill => sub {
        my $redis = shift;
        my $victim = connection(reconnect => 5, every => 10_000);
        my $id = $victim->client_id;
        equal([$redis->client_kill('ID', $id)], [1], 'CLIENT KILL');
        # The module looks for the connection's end before it sends: let it come.
        IO::Select->new($victim->{sock})->can_read(10);
        equal([$victim->ping, $victim->client_id == $id ? 1 : 0], ['PONG', 0], 'on a new connection');
    },
    fill_leader_puts_and_others_hit => sub {
        my $redis = shift;
        # The module sends any method's name as a command; one with a dot is called by its text.
        my ($get, $put) = ('fill.get', 'fill.put');
        my ($status, $value, $token, $lease) = $redis->$get('page', 'WAIT', 200);
        equal([$status, $value, $lease > 0 ? 1 : 0], ['LEAD', undef, 1], 'a miss');
        equal([map { $redis->$put('page', $token, 'made', 'EX', 100) } 1 .. 2], ['OK', 'DUP'], 'FILL.PUT twice');
        equal([(connection()->$get('page'))[0 .. 2]], ['HIT', 'made', undef], 'the next caller');
    },
);

my ($passed, $failed, $redis) = (0, 0, connection());
while (my ($name, $check) = splice @checks, 0, 2) {
    if (eval { $redis->flushall; $check->($redis); 1 }) {
        $passed++;
        print "ok $name\n";
    }
    else {
        $failed++;
        print "FAIL $name: ", $@ =~ s/\s+/ /gr, "\n";
    }
}
print "report perl-Redis $Redis::VERSION $passed $failed\n";
exit($failed ? 1 : 0);
