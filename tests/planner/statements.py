"""Statements that use every rule of SQLite's grammar: the seeds of the differential tests."""

# ruff: noqa: E501 - one statement a line is easier to read than the same statement broken up.

ACCEPTED = r"""
select a, b as x, c y, t.*, * from t where a=1 and b<>'x' or not c is not null group by a,b having count(*)>1 order by a desc nulls last, 2 limit 5 offset 6
select distinct a from t as x left outer join u on x.a=u.a natural join v cross join (select 1) using (a) where a in (1,2,3) and b not in (select a from t) and c in u
with recursive c(x, y) as (values(1,2) union all select x+1, y from c limit 10), d as not materialized (select 1) select * from c, d
select sum(a) filter (where b>1) over (partition by a, b order by c rows between unbounded preceding and current row exclude ties), row_number() over w, max(a) over (w rows 2 preceding) from t window w as (order by a), x as (partition by b)
select a from t window w as (range between 1 following and unbounded following exclude no others), v as (groups current row exclude group)
select case a when 1 then 2 when 3 then 4 else 5 end, cast(a as varchar(10, 2)), a collate nocase, -a, +b, ~c, a || b, a -> '$.x' ->> 'y', x'ab', 0x1F, 1e5, .5, null, current_timestamp
select a between 1 and 2 and b not between c and 4, a like 'x' escape '\', a not glob b, a match b, a isnull, b notnull, c not null, a is distinct from b, a is not distinct from c, exists (select 1), (1,2) = (a,b), (select 3)
insert or replace into main.t as z (a, b) values (1, 'x'), (?, :p) on conflict (a collate nocase desc) where a>1 do update set b = excluded.b, (a, c) = (1, 2) where b is null on conflict do nothing returning a, *, b as q
insert into t default values returning *
replace into t select a, b, c from u where true on conflict do nothing
update or ignore t as z indexed by i set a = 1, (b, c) = (select 1, 2) from u join v on 1 where z.a = u.a returning a order by a limit 3
delete from t not indexed where a = 1 returning b order by a limit 1 offset 2
create table if not exists main.n (a integer primary key autoincrement, b varchar(10) not null on conflict fail default 'x' collate nocase, c constraint k unique check (c > 0) references u (a) on delete cascade on update set null match full deferrable initially deferred, d as (a + 1) stored, e int generated always as (a) virtual, unique (b), check (a > 1), foreign key (a, b) references u (a, b) not deferrable) strict
create table n (a, b, constraint p primary key (a, b desc) on conflict ignore, unique (b collate nocase)) without rowid
create table n (a null, check (a) constraint x unique (a)), strict
create temp table n (a, b default (1 + 2), c default -5, d default current_date, e default true)
create table n as select 1
create unique index if not exists main.j on t (a collate nocase asc, b + 1 desc) where a is not null
create temp view w (x, y) as select 1, 2
create trigger if not exists tr after update of a, b on t for each row when new.a > 1 begin update t set a = 1 where b = 2; insert into u values (1, 2, 3); delete from t; select raise(abort, 'no'), raise(ignore); end
create virtual table f using fts5 (a, b, tokenize = 'x y')
drop table if exists main.t
drop index i
drop view if exists v
drop trigger tr
alter table main.t rename to z
alter table t rename column a to z
alter table t add column z int not null default 5
alter table t drop column a
begin immediate transaction
commit
end transaction
rollback to savepoint x
savepoint x
release savepoint x
pragma main.user_version = -5
pragma table_info('t')
attach database 'x' as y key 'z'
detach database y
vacuum main into 'x'
reindex main.t
analyze main.t
explain query plan select 1
select "a", [b], `c`, 'd' from "t" 'x', t "y", [u] [z]
select ?1, ?, :a, @b, $c::d(e), #f
select indexed, key, left.a, replace(a, 'b', 'c'), like('a', 'b'), t.a, main.t.a from t inner join (u join v on 1) as k on 1, (t), json_each('[]', 1) as j
select 1 union select 2 intersect values (3), (4) except select 5 order by 1 limit 2, 3
select count(distinct a), count(*), group_concat(all a), f() from t
select * from t, u as b indexed by x left join v not indexed on 1
with a as (select 1), b as (select 2) insert into t select * from a
with a as (select 1) delete from t where a in a
with a as (select 1) update t set a = 1
select over, filter, window, sum(a) over from t window
select case end when 1 then 2 end, no, row, rows, first, last, current, "select", if(1, 2, 3), abort from t
""".strip().split("\n")

# Each is refused with an error whose text the differential test takes from sqlite3.
REFUSED = r"""
sel
select
select 1 +
select (1
select 'abc
select "abc
select [abc
select `abc
select x'12
select x'1z'
select x'123'
select 12a
select 1e
select 1e+
select 0x
select 0x1ffffffffffffffff
select .
select 1 # 2
select #1
select ?0
select ?32767
select ?99999999999999999999
select $
select @
select :
select $a::b(c d)
select $a(
select :a:b
select !1
select 1 ! 2
select \
select 1/*
select 1 &| 2
select a from
select a from t where
select a from t group a
select a from t order a
select a from t limit
select * from t left t2
select * from t left inner join u
select * from t natural outer join u
select * from t join u on a using (b)
select * from t on a = b
insert into t select * from u on conflict do nothing
insert into t (a values (1)
insert t values (1)
insert into t values
insert into t values (1) on conflict
insert or foo into t values (1)
insert into t default values on conflict do nothing
insert into t values (1) on conflict do nothing on conflict (a) do nothing
update t set
update t a = 1
update t set a
update t set a = 1 from
delete t
delete from
create
create table
create table n
create table n (
create table n ()
create table n (a int,)
create table n (a) foo
create table n (a) without foo
create table n (a primary key primary key)
create table n (a primary key, primary key (a))
create table n (a as (1) foo)
create table n (a default a + 1)
create table n (a, check a > 1)
create table n (primary key (a))
create table n (a, foreign key (a collate x) references u)
create index j on t
create index on t (a)
create view w select 1
create trigger tr after insert on t begin end
create trigger tr after insert on t begin select 1;
create trigger tr after insert on t begin select 1 end
create trigger tr after insert on t begin update t indexed by i set a = 1; end
create trigger tr after insert on t begin delete from t not indexed; end
create trigger tr after insert on t begin insert into main.t values (1); end
create trigger tr after insert on t begin insert into t default values; end
create trigger tr after insert on t begin insert into t values (1) returning a; end
create trigger tr after insert on t begin update t as x set a = 1; end
create trigger tr after insert on t begin with a as (select 1) delete from t; end
create virtual table f using m (a
drop t
drop table
alter table t
alter table t rename
alter table t rename a b
begin foo
rollback to
release
pragma
pragma a =
pragma a = -b
attach 'x'
vacuum 1
explain
explain explain select 1
explain query select 1
select 1 order by 1 union select 2
select 1 limit 1 union all select 2
select 1 order by 1 limit 1 intersect select 2
values (1) order by 1
values (1) limit 1
with a as (select 1)
with a (select 1) select 1
with a as (select 1), a as (select 2) select 1
with a as materialized select 1
select 1 from t where a between 1 or 2 and 3
select a not b
select a is
select not
select case end
select case when 1 end
select case 1 else 2 end
select cast(1)
select exists 1
select raise
select raise(foo)
select raise(abort)
select left(1)
select (1, 2
select ()
select a in
select a in 1
select a like b escape
select a collate 1
select f(*, 1)
select sum(a) over (partition a)
select sum(a) over (rows)
select sum(a) over (rows unbounded following)
select sum(a) over (rows between 1 preceding)
select sum(a) over (order by a rows 1 preceding exclude)
select sum(a) filter (b)
select t.* x from t
select * x from t
select 1 as
select a.b.c.d
select a from t t2 t3
select a from t indexed x
select index
select order
group
""".strip("\n").split("\n")
