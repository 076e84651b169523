using Telepresence.Dns.Cache;
using Telepresence.Dns.Wire;

namespace Telepresence.Dns;

/// <content>The client's side: from the question to the plan, and along the plan to the answer.</content>
public sealed partial class Resolver
{
    private readonly Stack<Lookup> _idleLookups = new();
    private readonly byte[] _lowerName = new byte[DnsName.MaxLength];
    private Lookup? _firstHedging;
    private Lookup? _lastHedging;

    /// <summary>Sorts out what is not an ordinary question; what is gets a plan.</summary>
    private void Accept(ReadOnlySpan<byte> message, in DnsClientToken client, long now)
    {
        if (new DnsHeader(message).Opcode != 0)
        {
            ReplyHeaderOnly(message, client, DnsRcode.NotImp);
            return;
        }
        if (message.Length > Lookup.MaxQuery || !DnsQuery.TryParse(message, out var query) || !DnsEdns.TryRead(query, out var edns))
        {
            Counters.Malformed++;
            ReplyHeaderOnly(message, client, DnsRcode.FormErr);
            return;
        }
        var refusal = RefusalFor(query);
        if (refusal != DnsRcode.NoError)
        {
            ReplyEmpty(query, edns, client, refusal);
            return;
        }
        var name = _lowerName.AsSpan(0, query.NameLength);
        DnsName.CopyLower(query.Name, name);
        if (_probe.Recognises(name, out var place, out var server))
        {
            RememberLoop(place, server);
            ReplyEmpty(query, edns, client, DnsRcode.NxDomain);
            return;
        }
        var decision = _rules.Decide(name);
        if (decision.Route == DnsRoute.Loopback) ReplyLoopback(query, edns, client);
        else if (decision.Route == DnsRoute.NoSuchName) ReplyEmpty(query, edns, client, DnsRcode.NxDomain);
        else BeginLookup(query, edns, client, decision, now);
    }

    /// <summary>Classes and types that a stub's resolver has no answer to.</summary>
    private static int RefusalFor(in DnsQuery query)
    {
        if (query.Class != 1) return DnsRcode.Refused;
        return query.Type switch
        {
            0 or DnsType.Opt => DnsRcode.FormErr,
            DnsType.Axfr or DnsType.Ixfr => DnsRcode.Refused,
            DnsType.Maila or DnsType.Mailb or DnsType.Tsig or DnsType.Tkey => DnsRcode.NotImp,
            _ => DnsRcode.NoError,
        };
    }

    private void BeginLookup(in DnsQuery query, in DnsEdns edns, in DnsClientToken client, in DnsDecision decision, long now)
    {
        if (Waiting >= _options.MaxLookups)
        {
            Counters.Overloaded++;
            ReplyEmpty(query, edns, client, DnsRcode.ServFail);
            return;
        }
        if (!_idleLookups.TryPop(out var lookup)) lookup = new Lookup();
        Waiting++;
        lookup.Begin(client, query.Message, edns, _rules, decision.Target);
        _lowerName.AsSpan(0, query.NameLength).CopyTo(lookup.LowerName);
        Plan(lookup, decision);
        Advance(lookup, now);
    }

    private void Plan(Lookup lookup, in DnsDecision decision)
    {
        // A signature covers the name, so a signed question can be passed on only as it is.
        var useSearch = decision.UseSearch && !lookup.Edns.IsSigned;
        switch (decision.Route)
        {
            case DnsRoute.Cluster:
                lookup.AddStage(Place.Cluster);
                break;
            case DnsRoute.Search when useSearch:
                lookup.AddSearchStage(thenAsItIs: false);
                break;
            case DnsRoute.SearchThenLocal when useSearch:
                lookup.AddSearchStage(thenAsItIs: false);
                lookup.AddStage(Place.Local);
                break;
            case DnsRoute.ClusterThenLocal when !_clusterLoops:
                lookup.AddStage(Place.Cluster);
                if (useSearch) lookup.AddSearchStage(thenAsItIs: false);
                lookup.AddStage(Place.Local);
                break;
            case DnsRoute.LocalThenCluster:
                lookup.AddStage(Place.Local);
                if (useSearch) lookup.AddSearchStage(thenAsItIs: !_clusterLoops);
                else if (!_clusterLoops) lookup.AddStage(Place.Cluster);
                break;
            default:
                lookup.AddStage(Place.Local);
                break;
        }
    }

    /// <summary>Goes as far along the plan as the answers at hand allow; ends the lookup if that is the end.</summary>
    private void Advance(Lookup lookup, long now)
    {
        while (true)
        {
            if (FindWinner(lookup) is { } winner)
            {
                Finish(lookup, winner, now);
                return;
            }
            var stage = lookup.StagesStarted;
            if (stage > 0 && IsPending(lookup, stage - 1)) break;
            if (stage == lookup.StageCount)
            {
                if (IsPending(lookup, stage: -1)) break;
                FinishWithout(lookup, now);
                return;
            }
            // The new stage has its own time to answer before the next is asked beside it.
            if (lookup.IsHedging) RemoveHedging(lookup);
            StartStage(lookup, stage, now);
        }
        if (!lookup.IsHedging && lookup.StagesStarted < lookup.StageCount) AddHedging(lookup, now);
    }

    private void StartStage(Lookup lookup, int stage, long now)
    {
        lookup.StagesStarted++;
        for (var i = 0; i < lookup.StepCount; i++)
        {
            var step = lookup.Steps[i];
            if (step.Stage != stage) continue;
            StartStep(step, now);
            // With the answer in the cache nothing needs to be asked after it.
            if (step.IsWinner && !HasEarlierPending(lookup, i)) return;
        }
    }

    /// <summary>The first positive step that no pending step of its own stage precedes.</summary>
    private static LookupStep? FindWinner(Lookup lookup)
    {
        var blockedStage = -1;
        for (var i = 0; i < lookup.StepCount; i++)
        {
            var step = lookup.Steps[i];
            if (step.Stage == blockedStage) continue;
            if (step.IsWinner) return step;
            if (step.IsPending) blockedStage = step.Stage;
        }
        return null;
    }

    private static bool HasEarlierPending(Lookup lookup, int index)
    {
        for (var i = 0; i < index; i++)
            if (lookup.Steps[i].Stage == lookup.Steps[index].Stage && lookup.Steps[i].IsPending)
                return true;
        return false;
    }

    /// <summary>Whether a step of the stage (-1: of any) waits for an answer.</summary>
    private static bool IsPending(Lookup lookup, int stage)
    {
        for (var i = 0; i < lookup.StepCount; i++)
            if ((stage < 0 || lookup.Steps[i].Stage == stage) && lookup.Steps[i].IsPending)
                return true;
        return false;
    }

    private void StartStep(LookupStep step, long now)
    {
        step.State = StepState.Asking;
        var type = Question(step.Lookup).Type;
        step.Exchange = Ask(step, type, now);
        if (step.Exchange is null) step.State = StepState.Failed;
        else if (step.Exchange.IsDone) Settle(step, now);
        else step.Lookup.OnlyCached = false;
    }

    /// <summary>Draws the conclusion from a step's answered exchange.</summary>
    private void Settle(LookupStep step, long now)
    {
        if (step.State == StepState.AskingSibling)
        {
            step.State = step.Sibling!.Kind == AnswerKind.Positive ? StepState.NoDataHere : StepState.NoData;
            return;
        }
        step.State = step.Exchange!.Kind switch
        {
            AnswerKind.Positive => StepState.Positive,
            AnswerKind.NxDomain => StepState.NxDomain,
            AnswerKind.NoData => StepState.NoData,
            _ => StepState.Failed,
        };
        if (step.State != StepState.NoData || !step.Lookup.HasAlternative(step)) return;
        var type = Question(step.Lookup).Type;
        if (type is not (DnsType.A or DnsType.Aaaa))
        {
            step.State = StepState.NoDataHere;
            return;
        }
        step.State = StepState.AskingSibling;
        step.Sibling = Ask(step, type == DnsType.A ? DnsType.Aaaa : DnsType.A, now);
        if (step.Sibling is null) step.State = StepState.NoData;
        else if (step.Sibling.IsDone) Settle(step, now);
        else step.Lookup.OnlyCached = false;
    }

    private static DnsQuery Question(Lookup lookup) => DnsQuery.Parse(lookup.Query.AsSpan(0, lookup.QueryLength));

    private void Finish(Lookup lookup, LookupStep step, long now)
    {
        if (lookup.OnlyCached) Counters.CacheHits++;
        ReplyFrom(lookup, step, now);
        End(lookup);
    }

    /// <summary>Nothing positive: says the truth about why.</summary>
    private void FinishWithout(Lookup lookup, long now)
    {
        LookupStep? noData = null;
        LookupStep? noName = null;
        LookupStep? failed = null;
        for (var i = 0; i < lookup.StepCount; i++)
        {
            var step = lookup.Steps[i];
            switch (step.State)
            {
                // Of equals the one that was asked under the client's own name: its answer can be passed on whole.
                case StepState.NoData:
                    noData = noData is null || step.Suffix == LookupStep.NoSuffix ? step : noData;
                    break;
                case StepState.NxDomain:
                    noName = noName is null || step.Suffix == LookupStep.NoSuffix ? step : noName;
                    break;
                case StepState.Failed when step.Stage == 0:
                    failed ??= step;
                    break;
            }
        }
        if (lookup.OnlyCached) Counters.CacheHits++;
        var decisive = noData ?? failed ?? noName;
        if (decisive is { Suffix: LookupStep.NoSuffix, Exchange.MessageLength: > 0 }) ReplyFrom(lookup, decisive, now);
        else if (decisive == noData && noData is not null) ReplyEmpty(lookup, DnsRcode.NoError, decisive);
        else if (decisive == noName && noName is not null) ReplyEmpty(lookup, DnsRcode.NxDomain, decisive);
        else ReplyEmpty(lookup, DnsRcode.ServFail, null);
        End(lookup);
    }

    private void End(Lookup lookup)
    {
        if (lookup.IsHedging) RemoveHedging(lookup);
        for (var i = 0; i < lookup.StepCount; i++)
        {
            var step = lookup.Steps[i];
            if (step.IsWaiting) (step.State == StepState.AskingSibling ? step.Sibling! : step.Exchange!).RemoveWaiter(step);
            if (step.Exchange is not null) _table.Release(step.Exchange);
            if (step.Sibling is not null) _table.Release(step.Sibling);
            step.Exchange = step.Sibling = null;
        }
        lookup.Target = null;
        Waiting--;
        _idleLookups.Push(lookup);
    }

    /// <summary>The places asked so far are slow: the next one is asked beside them.</summary>
    private void Hedge(Lookup lookup, long now)
    {
        RemoveHedging(lookup);
        StartStage(lookup, lookup.StagesStarted, now);
        Advance(lookup, now);
    }

    private void AddHedging(Lookup lookup, long now)
    {
        // All have the same delay, so the list stays in order of time by adding at the end.
        lookup.HedgeDeadline = now + _options.HedgeDelay;
        lookup.IsHedging = true;
        lookup.PreviousHedging = _lastHedging;
        lookup.NextHedging = null;
        if (_lastHedging is null) _firstHedging = lookup;
        else _lastHedging.NextHedging = lookup;
        _lastHedging = lookup;
    }

    private void RemoveHedging(Lookup lookup)
    {
        if (lookup.PreviousHedging is null) _firstHedging = lookup.NextHedging;
        else lookup.PreviousHedging.NextHedging = lookup.NextHedging;
        if (lookup.NextHedging is null) _lastHedging = lookup.PreviousHedging;
        else lookup.NextHedging.PreviousHedging = lookup.PreviousHedging;
        lookup.PreviousHedging = lookup.NextHedging = null;
        lookup.IsHedging = false;
    }

    private void RememberLoop(Place place, int server)
    {
        Counters.Loops++;
        if (place == Place.Cluster) _clusterLoops = true;
        else _loopingServers |= 1u << server;
    }
}
