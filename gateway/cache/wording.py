"""Words by which questions are told apart, or which say nothing of what is asked."""

from __future__ import annotations

from gateway.words import STOP, stem

# Numbers that are written out. Not "one", which is a pronoun more often.
SPOKEN_AS = """
zero=0 two=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9 ten=10 eleven=11 twelve=12 dozen=12
twenty=20 thirty=30 forty=40 fifty=50 sixty=60 seventy=70 eighty=80 ninety=90 hundred=100 thousand=1000
million=1000000 half=1/2 double=x2 twice=x2 triple=x3 once=x1
"""
SPOKEN: dict[str, str] = dict(pair.split("=") for pair in SPOKEN_AS.split())
# Each line is a choice: a question that speaks of one of its sides is not one that speaks of another.
# Words of one side are joined by a stroke.
CHOICES = """
enable/activate disable/deactivate
add/insert remove/delete/erase
open close/shut
increase/raise decrease/reduce/lower
upload download
import export
send/sent receive/received
buy/purchase sell
deposit withdraw/withdrawal
credit debit
before/until after/since
more less/fewer
most/maximum/max/highest least/minimum/min/lowest
big/large/bigger/larger small/little/smaller
longer/higher shorter
faster/quicker slower
cheaper dearer
earlier later
earliest/oldest latest/newest
first last
show/unhide hide
start/begin stop/end/finish
accept/approve reject/decline/refuse
incoming outgoing
internal external
public private
old new
left right
top bottom
above below
horizontal/horizontally vertical/vertically
upgrade downgrade
online offline
manually/manual automatically/automatic
sender recipient
row column
minute/minutes hour/hours/hourly day/days/daily week/weeks/weekly month/months/monthly year/years/yearly/annual/annually
kb mb gb tb
dollar/dollars/usd euro/euros/eur pound/pounds/gbp
free basic standard plus pro/professional premium business enterprise team/teams personal family student
monday tuesday wednesday thursday friday saturday sunday
january february march april june july august september october november december
windows mac/macos/osx linux/ubuntu android ios/iphone/ipad
chrome firefox safari edge opera
today tomorrow yesterday
"""
SIDES: dict[str, tuple[int, int]] = {
    word: (choice, side)
    for choice, line in enumerate(CHOICES.split("\n"))
    for side, words in enumerate(line.split())
    for word in words.split("/")
}
# What people say around a question.
CHATTER = """
want wants wanted need needed know tell wonder wondering possible possibly way ways method try trying tried help
helps like just really actually currently still ever also some something anything thing able here go going make
happen happened happening question ask asking explain find out see look looking use using allow allowed let guess
think sure give given quick quickly easy easily easiest best ok hey thanks thank much very now anyone someone one
ones right steps step if when while because so then than such whether only even since i'm im i'd i've ive am myself
mine we're being having doing done
"""
SAYS_NOTHING = STOP | {stem(word) for word in CHATTER.split()} | set(CHATTER.split())
